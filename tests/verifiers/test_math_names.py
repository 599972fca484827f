"""What stands for what: names before values, letters that are functions, times of day, letters of options."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from verifiers.math import MathVerifier, equal
from verifiers.types import Problem

SETTINGS = settings(deadline=None, max_examples=60, derandomize=True)

TIMES_SAME = [
    (r"8:00", r"8:00"),
    (r"8:00", r"8:00 \text{ p.m.}"),
    (r"8:00", r"8:00:00"),
    (r"08:00", r"8:00"),
    (r"8:30", r"8:30"),
    (r"1:2:0", r"1:2:0"),
    (r"1:2:0", r"2:4:0"),
    (r"0:1:2", r"0:2:4"),
    (r"3:4", r"6:8"),
    (r"2:1", r"2"),
    (r"3:15 \text{ pm}", r"15:15"),
    (r"12:16", r"3:4"),
    (r"1:2:3", r"2:4:6"),
    (r"x:y", r"2x:2y"),
]
TIMES_DIFFERENT = [
    (r"8:00", r"5:00"),
    (r"3:4", r"4:3"),
    (r"4:05", r"\frac45"),
    (r"9:05", r"18:10"),
    (r"0:5", r"5:0"),
    (r"1:2:0", r"2:4:1"),
    (r"3:15 \text{ pm}", r"3:15 \text{ am}"),
    (r"12:00", r"24:00"),
    (r"0:x", r"x:0"),
]
CALLS_SAME = [
    (r"Q(0)e^{-t/RC}", r"e^{-t/RC}Q(0)"),
    (r"T(0)+5", r"5+T(0)"),
    (r"v(2)", r"v(2)"),
    (r"10x", r"2x(5)"),
    (r"x(x-1)", r"x^2-x"),
    (r"n(n+1)", r"n^2+n"),
    (r"k(k-1)(k-2)", r"k^3-3k^2+2k"),
    (r"x(2)+x", r"3x"),
    (r"y'(0)+y(0)", r"y(0)+y'(0)"),
    (r"y(0)\cos t + y'(0)\sin t", r"y'(0) \sin t+y(0)\cos t"),
    (r"e^{-t}y(t)", r"y(t)e^{-t}"),
    (r"a(b+c)", r"ab+ac"),
    (r"a(b-1)", r"ab-a"),
    (r"2(3)", r"6"),
    (r"\pi(2)", r"2\pi"),
    (r"\pi(4)", r"4\pi"),
    (r"x(3-x)", r"3x-x^2"),
    (r"N(0)2^{t/5}", r"2^{t/5}N(0)"),
    (r"\sin(x)(0)", r"0"),
]
CALLS_DIFFERENT = [
    (r"Q(0)e^{-t/RC}", r"0"),
    (r"Q(0)e^{-t/RC}", r"Q(0)e^{+t/RC}"),
    (r"T(0)+5", r"5"),
    (r"v(2)", r"2v"),
    (r"i(0)e^{-t}", r"0"),
    (r"y'(0)", r"0"),
    (r"y(0)\cos t + y'(0)\sin t", r"y(0)\sin t + y'(0)\cos t"),
    (r"V_0 (1)", r"V_1"),
    (r"x_0(t)", r"x_1(t)"),
    (r"\theta(0)", r"0"),
    (r"\theta(0)\cos(\omega t)", r"\theta(1)\cos(\omega t)"),
    (r"P(-1)", r"-P"),
    (r"N(0)2^{t/5}", r"N(0)2^{-t/5}"),
    (r"u(0,t)", r"u(t,0)"),
    (r"f(0)+1", r"1"),
    (r"M(0)", r"N(0)"),
]
NAMED_SAME = [
    (r"\text{Red}: 3, \text{Blue}: 5", r"\text{blue} = 5, \text{red} = 3"),
    (r"3 \text{ red}, 5 \text{ blue}", r"5 \text{ blue}, 3 \text{ red}"),
    (r"3 \text{ red and } 5 \text{ blue}", r"3 \text{ red}, 5 \text{ blue}"),
    (r"\text{A: } 3, \text{B: } 5", r"A = 3, B = 5"),
    (r"A=3; B=5; C=7", r"C=7; A=3; B=5"),
    (r"(A,B,C)=(3,5,7)", r"A=3, B=5, C=7"),
    (r"(A,B,C)=(3,5,7)", r"C=7, B=5, A=3"),
    (r"m_1 = 2, m_2 = 5", r"m_1=2, m_2=5"),
    (r"\alpha=30^\circ, \beta=60^\circ", r"\beta=60^\circ, \alpha=30^\circ"),
    (r"E(X)=5, V(X)=2", r"V(X)=2, E(X)=5"),
    (r"\text{perimeter } 20, \text{ area } 24", r"\text{area } 24, \text{ perimeter } 20"),
    (r"f(x)=x^2, g(x)=x^3", r"g(x)=x^3, f(x)=x^2"),
    (r"a_n=2n, b_n=3n", r"b_n=3n, a_n=2n"),
    (r"x=\pm 2, y=\pm 3", r"y=\pm 3, x=\pm 2"),
    (r"x=2, y=3 \text{ or } x=3, y=2", r"(2,3), (3,2)"),
    (r"x>1, y>2, z>3", r"z>3, x>1, y>2"),
    (r"1<x<2, 3<y<4", r"3<y<4, 1<x<2"),
    (r"x \in (0,1), y \in (2,3)", r"y \in (2,3), x\in(0,1)"),
    (r"x \in (0,1)", r"(0,1)"),
    (r"x>0", r"(0,\infty)"),
    (r"x \ne 1, y \ne 2", r"y\ne 2, x\ne 1"),
    (r"x \le 3, x \ge -1", r"[-1,3]"),
    (r"x+y<3, x-y>1", r"x-y>1, x+y<3"),
    (r"0\le r\le 2, 0\le\theta\le\pi", r"0\le\theta\le\pi, 0\le r\le 2"),
    (r"\text{A. } 5", r"A"),
    (r"T: 5 \text{ hr}, J: 6 \text{ hr}", r"J: 6 \text{ hours}, T: 5 \text{ hours}"),
    (r"\neg p\lor q", r"\neg p\lor q"),
    (
        r"\begin{cases} 1 & n \text{ even} \\ 0 & n \text{ odd} \end{cases}",
        r"\begin{cases} 0 & n \text{ odd} \\ 1 & n \text{ even} \end{cases}",
    ),
    (
        r"\begin{cases} 1 & n \text{ even} \\ 0 & n \text{ odd} \end{cases}",
        r"\begin{cases} 1 & \text{if } n \text{ is even} \\ 0 & \text{otherwise} \end{cases}",
    ),
    (
        r"\begin{cases} x^2 & x>0 \\ 0 & x \le 0 \end{cases}",
        r"\begin{cases} 0 & x \le 0 \\ x^2 & x>0 \end{cases}",
    ),
    (r"x^2+y^2=1 (y>0)", r"x^2+y^2=1"),
    (r"2^n \text{ for odd } n", r"2^n \text{ if } n \text{ is odd}"),
    (r"2^n \text{ for } n \ge 1", r"2^n"),
    (r"x=\frac{\pi}{4}+k\pi, k\in\mathbb{Z}", r"x=\frac{\pi}{4}-k\pi, k\in\mathbb{Z}"),
    (r"p=-1,p=\frac{15}{8}", r"p=\frac{15}{8}, p=-1"),
    (r"x_1=2, x_2=5", r"x=2, x=5"),
    (r"(p,q)=(7,4)", r"(7,4)"),
    (r"A^{-1} = \begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"),
    (r"\text{mean} = 5, \text{median} = 7", r"\text{median} = 7, \text{mean} = 5"),
    (r"\text{mean} = 5, \text{median} = 7", r"5, 7"),
    (r"\text{mean}: 5, \text{median}: 7", r"\text{median} = 7, \text{mean} = 5"),
    (r"\sin\theta = \frac35, \cos\theta = \frac45", r"\cos\theta = \frac45, \sin\theta = \frac35"),
    (r"|AB|=3, |BC|=4", r"|BC|=4, |AB|=3"),
    (r"|AB|=3, |BC|=4", r"BC=4, AB=3"),
    (r"|AB|=3, |BC|=4", r"|CB|=4, |BA|=3"),
    (r"x=1, y=2", r"y=2, x=1"),
    (r"x=1, y=2", r"(1,2)"),
    (r"x=1, y=2", r"1, 2"),
    (r"x=1 \text{ or } x=2", r"x=2 \text{ or } x=1"),
    (r"x=1 \text{ or } x=2", r"1, 2"),
    (r"x=1 \text{ and } y=2", r"x=1, y=2"),
    (r"x_1=2, x_2=-3", r"x_1=-3, x_2=2"),
    (r"x_1=2, x_2=-3", r"2, -3"),
    (r"3, 5", r"a=5, b=3"),
    (r"3, 5", r"x=3, y=5"),
    (r"\text{mean} = 5", r"5"),
    (r"\text{mean} = 5", r"\text{the mean} = 5"),
    (r"\text{Area} = 12", r"A = 12"),
    (r"\text{Area} = 12", r"\text{Area of } ABC = 12"),
    (r"A = 12", r"\text{Area} = 12"),
    (r"\sin x = \frac12", r"\frac12"),
    (r"AB = 3", r"|AB| = 3"),
    (r"a:b = 2:3", r"2:3"),
    (r"f(1)=2, f(2)=5", r"f(2)=5, f(1)=2"),
    (r"P(A)=\frac12, P(B)=\frac13", r"P(B)=\frac13, P(A)=\frac12"),
    (r"\angle A = 30^\circ, \angle B = 60^\circ", r"\angle B = 60^\circ, \angle A = 30^\circ"),
    (r"\text{Alice: } 5, \text{Bob: } 7", r"\text{Bob: } 7, \text{Alice: } 5"),
    (r"A: 3, B: 4", r"B: 4, A: 3"),
    (r"A: 3, B: 4", r"A = 3, B = 4"),
    (r"P: 5", r"P = 5"),
    (r"P: 5", r"5"),
    (r"K: 3 \text{ hr}, T: 11 \text{ hr}", r"T: 11 \text{ hr}, K: 3 \text{ hr}"),
    (r"(A) 12", r"(A)"),
    (r"(A) 12", r"12"),
    (r"C: \text{the second law}", r"C"),
    (r"C: \text{the second law}", r"(C)"),
    (r"\text{(B)}", r"B"),
    (r"x>1, y>2", r"y>2, x>1"),
    (r"x>1 \text{ and } y>2", r"x>1, y>2"),
    (r"x>1 \text{ or } x<-1", r"x<-1 \text{ or } x>1"),
    (r"x>1 \text{ or } x<-1", r"(-\infty,-1)\cup(1,\infty)"),
    (r"x \ge 1, y=2", r"y=2, x\ge 1"),
    (r"m=1, n=2, k=3", r"k=3, n=2, m=1"),
    (r"x=1, x=2", r"x=2, x=1"),
    (r"\text{number of boys}=12, \text{number of girls}=15", r"\text{boys}=12, \text{girls}=15"),
    (r"\text{number of boys}=12, \text{number of girls}=15", r"b=12, g=15"),
    (r"\text{width} = 4 \text{ cm}, \text{length} = 9 \text{ cm}", r"\text{length} = 9, \text{width} = 4"),
    (r"A(1,2), B(3,4)", r"B(3,4), A(1,2)"),
    (r"(x,y)=(1,2)", r"x=1,y=2"),
]
NAMED_DIFFERENT = [
    (r"\text{Red}: 3, \text{Blue}: 5", r"\text{blue} = 3, \text{red} = 5"),
    (r"3 \text{ red}, 5 \text{ blue}", r"5 \text{ red}, 3 \text{ blue}"),
    (r"3 \text{ red and } 5 \text{ blue}", r"5 \text{ red and } 3 \text{ blue}"),
    (r"\text{A: } 3, \text{B: } 5", r"A = 5, B = 3"),
    (r"A=3; B=5; C=7", r"A=3; B=7; C=5"),
    (r"(A,B,C)=(3,5,7)", r"(A,B,C)=(3,7,5)"),
    (r"(A,B,C)=(3,5,7)", r"C=3, B=5, A=7"),
    (r"\alpha=30^\circ, \beta=60^\circ", r"\alpha=60^\circ, \beta=30^\circ"),
    (r"\mu=5, \sigma=2", r"\mu=2, \sigma=5"),
    (r"\bar{x}=5, s=2", r"\bar{x}=2, s=5"),
    (r"E(X)=5, V(X)=2", r"E(X)=2, V(X)=5"),
    (r"\text{perimeter } 20, \text{ area } 24", r"\text{perimeter } 24, \text{ area } 20"),
    (
        r"\text{perimeter} = 20\text{ cm}, \text{area} = 24 \text{ cm}^2",
        r"\text{perimeter} = 24\text{ cm}, \text{area} = 20 \text{ cm}^2",
    ),
    (r"\tan A=\frac34, \tan B=\frac43", r"\tan A=\frac43, \tan B=\frac34"),
    (r"a:b=2:3, b:c=3:4", r"a:b=3:4, b:c=2:3"),
    (r"AB=3, CD=4", r"AB=4, CD=3"),
    (r"\overline{AB}=3, \overline{CD}=4", r"\overline{AB}=4, \overline{CD}=3"),
    (r"\triangle ABC: 5, \triangle DEF: 7", r"\triangle ABC: 7, \triangle DEF: 5"),
    (r"[ABC]=5, [DEF]=7", r"[ABC]=7, [DEF]=5"),
    (r"f'(1)=2, f''(1)=3", r"f'(1)=3, f''(1)=2"),
    (r"f(x)=x^2, g(x)=x^3", r"f(x)=x^3, g(x)=x^2"),
    (r"f(x)=x^2", r"g(x)=x^2"),
    (r"a_n=2n, b_n=3n", r"a_n=3n, b_n=2n"),
    (r"a_n=2n", r"b_n=2n"),
    (r"x=2, y \text{ free}", r"x=3, y \text{ free}"),
    (r"x=\pm 2, y=\pm 3", r"x=\pm 3, y=\pm 2"),
    (r"x=2, y=3 \text{ or } x=3, y=2", r"x=2, y=2 \text{ or } x=3, y=3"),
    (r"x=2, y=3 \text{ or } x=3, y=2", r"(2,2), (3,3)"),
    (r"\text{max} = 5, \text{min} = 2", r"\text{max} = 2, \text{min} = 5"),
    (r"\text{max } 5, \text{ min } 2", r"\text{max } 2, \text{ min } 5"),
    (
        r"\text{increasing on } (0,1), \text{decreasing on } (1,2)",
        r"\text{decreasing on } (0,1), \text{increasing on } (1,2)",
    ),
    (r"\text{Yes}, 5", r"\text{No}, 5"),
    (r"\text{Yes}: 5", r"\text{No}: 5"),
    (r"\text{Monday}: 5", r"\text{Tuesday}: 5"),
    (r"\text{even}", r"\text{odd}"),
    (r"\text{January } 5", r"\text{June } 5"),
    (r"x>1, y>2, z>3", r"x>1, y>2"),
    (r"x>1, y>2, z>3", r"x>1,y>2,z\ge 3"),
    (r"a<1 \text{ or } b>2", r"a<1, b>2"),
    (r"x \in (0,1), y \in (2,3)", r"y \in (0,1), x \in (2,3)"),
    (r"x>0", r"y>0"),
    (r"x \ne 1, y \ne 2", r"x\ne 2, y\ne 1"),
    (r"x+y<3, x-y>1", r"x+y<3"),
    (r"x+y<3, x-y>1", r"x+y>3, x-y<1"),
    (r"p<q, r<s", r"p<q"),
    (r"|x|<3, |y|<4", r"|x|<3"),
    (r"|x|<3, |y|<4", r"|y|<3, |x|<4"),
    (r"n \ge 3, m \ge 5", r"n\ge 5, m \ge 3"),
    (r"0\le r\le 2, 0\le\theta\le\pi", r"0\le r\le \pi, 0\le\theta\le 2"),
    (r"A: \text{true}, B: \text{false}", r"A: \text{false}, B: \text{true}"),
    (r"I: 3, II: 5", r"I: 5, II: 3"),
    (r"\text{(a) } 3, \text{(b) } 5", r"\text{(a) } 5, \text{(b) } 3"),
    (r"(a) 3 (b) 5", r"(a) 5 (b) 3"),
    (r"a) 3 b) 5", r"a) 5 b) 3"),
    (r"A) 5", r"A) 7"),
    (r"A. 5", r"A. 7"),
    (r"D: 10 \text{ cm}", r"D: 12 \text{ cm}"),
    (r"S: \{1,2\}", r"S: \{1,3\}"),
    (r"P: (1,2), Q: (3,4)", r"P: (3,4), Q: (1,2)"),
    (r"x^{10}\clubsuit 5", r"x^{1}0\clubsuit 5"),
    (r"a_{12}\clubsuit", r"a_{1}2\clubsuit"),
    (r"\frac{1}{23}\clubsuit", r"\frac{12}{3}\clubsuit"),
    (r"\sqrt{2x}\clubsuit", r"\sqrt{2}x\clubsuit"),
    (r"1 2\clubsuit", r"12\clubsuit"),
    (r"\sin{2x}\clubsuit", r"\sin{2}x\clubsuit"),
    (r"AB\clubsuit", r"ab\clubsuit"),
    (r"\{1,2\}\clubsuit", r"1,2\clubsuit"),
    (r"\neg p\lor q", r"p\lor q"),
    (
        r"\begin{cases} 1 & n \text{ even} \\ 0 & n \text{ odd} \end{cases}",
        r"\begin{cases} 0 & n \text{ even} \\ 1 & n \text{ odd} \end{cases}",
    ),
    (
        r"\begin{cases} 1 & n \text{ even} \\ 0 & n \text{ odd} \end{cases}",
        r"\begin{cases} 1 & n \text{ even} \\ 0 & x \text{ odd} \end{cases}",
    ),
    (
        r"\begin{cases} x^2 & x>0 \\ 0 & x \le 0 \end{cases}",
        r"\begin{cases} x^2 & x<0 \\ 0 & x \ge 0 \end{cases}",
    ),
    (r"x^2+y^2=1 (y>0)", r"x^2+y^2=1 (x>0)"),
    (r"2^n \text{ for odd } n", r"2^n \text{ for even } n"),
    (r"2^n \text{ for } n \ge 1", r"2^n \text{ for } n \ge 3"),
    (r"k\pi, k\in\mathbb{Z}", r"2k\pi, k\in\mathbb{Z}"),
    (r"x=1, y=2", r"y=1, y=2"),
    (r"x=1, y=2", r"x=1, x=2"),
    (r"p=-1,p=\frac{15}{8}", r"x=-1,p=\frac{15}{8}"),
    (r"x_1=2, x_2=5", r"y_1=2, x_2=5"),
    (r"f(x)=2x+1", r"f[x)=2x+1"),
    (r"(p,q)=(7,4)", r"(p,q]=(7,4)"),
    (r"(p,q)=(7,4)", r"-(p,q)=(7,4)"),
    (r"\text{mean} = 5, \text{median} = 7", r"\text{mean} = 7, \text{median} = 5"),
    (r"\text{mean} = 5, \text{median} = 7", r"7, 5"),
    (r"\text{mean}: 5, \text{median}: 7", r"\text{median}: 5, \text{mean}: 7"),
    (r"\sin\theta = \frac35, \cos\theta = \frac45", r"\sin\theta = \frac45, \cos\theta = \frac35"),
    (r"|AB|=3, |BC|=4", r"|AB|=4, |BC|=3"),
    (r"x=1, y=2", r"x=2, y=1"),
    (r"x=1, y=2", r"(2,1)"),
    (r"x=1, y=2", r"2, 1"),
    (r"x=1, y=2", r"a=1, b=2"),
    (r"x=1, y=2", r"x=1"),
    (r"x=1, y=2", r"y=2"),
    (r"x=1, y=2", r"x=1 \text{ or } y=2"),
    (r"\text{mean} = 5", r"\text{median} = 5"),
    (r"\sin x = \frac12", r"\cos x = \frac12"),
    (r"\sin A = \frac12", r"\sin B = \frac12"),
    (r"|AB| = 3", r"|CD| = 3"),
    (r"AB = 3", r"AC = 3"),
    (r"a:b = 2:3", r"b:a = 2:3"),
    (r"f(1)=2, f(2)=5", r"f(1)=5, f(2)=2"),
    (r"f(3)=2", r"f(4)=2"),
    (r"\log_2 x = 3, \log_2 y = 4", r"\log_2 y = 3, \log_2 x = 4"),
    (r"P(A)=\frac12, P(B)=\frac13", r"P(A)=\frac13, P(B)=\frac12"),
    (r"\angle A = 30^\circ, \angle B = 60^\circ", r"\angle A = 60^\circ, \angle B = 30^\circ"),
    (r"\text{Alice: } 5, \text{Bob: } 7", r"\text{Alice: } 7, \text{Bob: } 5"),
    (r"A: 3, B: 4", r"A: 3, B: 5"),
    (r"A: 3, B: 4", r"A: 4, B: 3"),
    (r"A: 3, B: 4", r"A: 3"),
    (r"P: 5", r"P: 7"),
    (r"K: 3 \text{ hr}, T: 11 \text{ hr}", r"K: 3 \text{ hr}, T: 12 \text{ hr}"),
    (r"(A) 12", r"(A) 13"),
    (r"x>1, y>2", r"x>1"),
    (r"x>1, y>2", r"y>2"),
    (r"x>1, y>2", r"x>1 \text{ or } y>2"),
    (r"x<0, y<0", r"y<0"),
    (r"x>1, y>2", r"x>2, y>1"),
    (r"x>1, y>2", r"(1,\infty)"),
    (r"a>0, b<0", r"a<0, b>0"),
    (r"0<x<1, 2<y<3", r"2<x<3, 0<y<1"),
    (r"x \ge 1, y=2", r"x\ge 1"),
    (r"x \ge 1, y=2", r"x\ge 1, y=3"),
    (r"m=1, n=2, k=3", r"k=3, n=1, m=2"),
    (r"\text{boys}=12, \text{girls}=15", r"\text{girls}=12, \text{boys}=15"),
    (r"\text{number of boys}=12, \text{number of girls}=15", r"\text{girls}=12, \text{boys}=15"),
    (r"S_{ABC} = 3, S_{ABD} = 4", r"S_{ABC} = 4, S_{ABD} = 3"),
    (r"\vec{AB} = (1,2), \vec{BC} = (3,4)", r"\vec{AB} = (3,4), \vec{BC} = (1,2)"),
    (r"A(1,2), B(3,4)", r"A(3,4), B(1,2)"),
    (r"A = (1,2), B = (3,4)", r"B = (1,2), A = (3,4)"),
    (r"\max = 5, \min = -3", r"\max = -3, \min = 5"),
    (r"\text{maximum } 5, \text{minimum } -3", r"\text{maximum } -3, \text{minimum } 5"),
    (r"x^{21}[a;b]", r"x^{2}1[a;b]"),
    (r"e^{2x}[a;x]", r"e^{2}x[a;x]"),
    (r"x^{ab}\oplus 1", r"x^a b\oplus 1"),
    (r"(x,y)=(1,2)", r"(y,x)=(1,2)"),
]


@pytest.mark.parametrize(("gold", "answer"), TIMES_SAME + CALLS_SAME + NAMED_SAME)
def test_the_same(gold: str, answer: str) -> None:
    assert equal(gold, answer)


@pytest.mark.parametrize(("gold", "answer"), TIMES_DIFFERENT + CALLS_DIFFERENT + NAMED_DIFFERENT)
def test_not_the_same(gold: str, answer: str) -> None:
    assert not equal(gold, answer)


NAMES = [
    ["x", "y", "z"],
    ["\\text{mean}", "\\text{median}", "\\text{mode}"],
    ["\\sin\\theta", "\\cos\\theta", "\\tan\\theta"],
    ["|AB|", "|BC|", "|CD|"],
    ["f(1)", "f(2)", "f(3)"],
    ["\\angle A", "\\angle B", "\\angle C"],
    ["P", "Q", "R"],
    ["\\text{Ann's age}", "\\text{Bob's age}", "\\text{Cy's age}"],
]


@SETTINGS
@given(
    st.sampled_from(NAMES),
    st.lists(st.integers(-99, 99), min_size=3, max_size=3, unique=True),
    st.permutations(range(3)),
    st.sampled_from([" = ", ": "]),
)
def test_named_values_in_any_order_with_their_names(
    names: list[str], values: list[int], order: list[int], sign: str
) -> None:
    assume(sign == " = " or names[0] in ("P", "\\text{mean}", "\\text{Ann's age}"))

    def text(values: tuple[int, ...], order: list[int]) -> str:
        return ", ".join(f"{names[at]}{sign}{values[at]}" for at in order)

    gold = text(tuple(values), [0, 1, 2])
    assert equal(gold, text(tuple(values), order))
    for other in permutations(values):
        if list(other) != values:
            assert not equal(gold, text(other, order)), (gold, text(other, order))


@SETTINGS
@given(st.integers(1, 24), st.integers(1, 24), st.integers(0, 59), st.integers(0, 59))
def test_times_equal_only_themselves(hour: int, other: int, minute: int, later: int) -> None:
    gold, answer = f"{hour}:{minute:02}", f"{other}:{later:02}"
    problem = Problem("p", "At what time does the train leave?", gold)
    assert MathVerifier().verify(problem, "", answer).score == float(gold == answer)
    assert equal(gold, gold)
    assume(minute < 10 and gold != answer)
    assert not equal(gold, answer)


def test_an_index_is_a_name_only_where_the_problem_has_it() -> None:
    for prompt, swapped in (("Solve x^2+x-6=0.", 1.0), ("Solve for x_1 and x_2.", 0.0)):
        problem = Problem("p", prompt, "x_1=2, x_2=-3")
        assert MathVerifier().verify(problem, "", "x_1=-3, x_2=2").score == swapped
        assert MathVerifier().verify(problem, "", "x_2=-3, x_1=2").score == 1.0


@SETTINGS
@given(st.sampled_from("QTvyPNsxu"), st.integers(0, 9), st.integers(0, 9))
def test_a_value_of_a_function_is_no_product(name: str, one: int, two: int) -> None:
    gold = f"{name}({one})e^{{-kt}}"
    assert equal(gold, f"e^{{-kt}}{name}({one})") and not equal(gold, "0")
    assert not equal(gold, f"{name}({one})e^{{kt}}") and not equal(gold, f"{one}{name}e^{{-kt}}")
    assume(one != two)
    assert not equal(gold, f"{name}({two})e^{{-kt}}")
