"""What did training buy, of which kind, at what distance, and how sure is that? Arrays in, estimates out.

`compare.summarise` and `compare.compare` answer for whole evaluations (`samples.Samples`); every quantity behind them
is a pure function on arrays of counts in a module named after it. NaN means "not defined here". numpy and scipy only.
"""
