"""`rlvr evidence`: every lever on the same held-out problems, in one table.

`plan` reads the file of levers, `running` samples and trains what is missing, `table` has the figures of what is there.
"""
