"""Expressions and numbers that are equal, and those that only look so: corners, steps, whole letters, huge powers."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from verifiers.math import MathVerifier, equal
from verifiers.math.letters import whole_letters
from verifiers.types import Problem

SETTINGS = settings(deadline=None, max_examples=50, derandomize=True)

SAME = [
    (r"Q(0) e^{-\frac{t}{R C}}", r"Q(0)e^{-t/RC}"),
    (r"Q(0) e^{-\frac{t}{R C}}", r"Q(0)e^{-t/(RC)}"),
    (r"\frac{a}{bc}", r"a/bc"),
    (r"\frac{a}{bc^2}", r"a/bc^2"),
    (r"\frac{ac}{b}", r"a/b \cdot c"),
    (r"\frac{ac}{b}", r"(a/b)c"),
    (r"\frac{x}{2}", r"1/2x"),
    (r"\frac{1}{xy}", r"1/xy"),
    (r"\frac{1}{2\pi}", r"1/(2\pi)"),
    (r"\frac{a}{b}+c", r"a/b+c"),
    (r"\frac{kT}{mg}", r"kT/mg"),
    (r"y = \frac{1}{x}", r"xy = 1"),
    (r"2^{1000000}+3^{1000000}", r"3^{1000000}+2^{1000000}"),
    (r"2^{1000000}", r"4^{500000}"),
    (r"(2^{10})^{10^5}", r"2^{10^6}"),
    (r"\frac{2^{10^6}}{2^{10^6}-1}", r"1+\frac{1}{2^{10^6}-1}"),
    (r"e^{e^{10}}", r"e^{e^{10}}"),
    (r"2^{10^6}\pi", r"\pi\cdot 2^{10^6}"),
    (r"1000!", r"1000\cdot 999!"),
    (r"\binom{2000}{1000}", r"\frac{2000!}{1000!^2}"),
    (r"2^{64}-1", r"18446744073709551615"),
    (r"7^{7^{7^7}}", r"7^{7^{7^7}}"),
    (r"x^{10^6}+x", r"x+x^{1000000}"),
    (r"(x+1)^{1000}", r"(1+x)^{1000}"),
    (r"e^{1000x}+e^{-1000x}", r"2\cosh(1000x)"),
    (r"1-\frac{1}{1+e^{1000x}}", r"\frac{e^{1000x}}{1+e^{1000x}}"),
    (r"2^{1000n}+1", r"1+2^{1000n}"),
    (r"\log_{10}(10^{100})", r"100"),
    (r"\sum_{k=1}^{100} k", r"5050"),
    (r"\prod_{k=1}^{20}k", r"20!"),
    (r"\max\{a,b\}", r"\max(b,a)"),
    (r"\min\{n,100\}", r"\min(100,n)"),
    (r"\lvert x-50\rvert", r"|50-x|"),
    (r"abs(x-50)", r"|x-50|"),
    (r"floor(n/2)", r"\lfloor n/2\rfloor"),
    (r"⌊n/2⌋", r"\lfloor \frac{n}{2} \rfloor"),
    (r"n \bmod 7", r"n \mod 7"),
    (r"\operatorname{sgn}(x-5)", r"\frac{|x-5|}{x-5}"),
    (r"\operatorname{sign}(x)", r"\frac{x}{|x|}"),
    (r"x^2\operatorname{sgn}(x)", r"x|x|"),
    (r"|x|^3", r"|x^3|"),
    (r"\sqrt[6]{x^6}", r"|x|"),
    (r"\sqrt{x^6}", r"|x|^3"),
    (r"\sqrt{4x^2-4x+1}", r"|2x-1|"),
    (r"\sqrt{(a-b)^2}", r"|a-b|"),
    (r"\sqrt{\sin^2 x}", r"|\sin x|"),
    (r"\sqrt{x^2+6x+9}+\sqrt{x^2-6x+9}", r"|x+3|+|x-3|"),
    (r"(x^2)^{3/2}", r"|x|^3"),
    (r"\lfloor \frac{n^2}{4} \rfloor", r"\lfloor \frac n2\rfloor\lceil\frac n2\rceil"),
    (r"\lfloor\frac{n}{2}\rfloor+\lfloor\frac{n+1}{2}\rfloor", r"n"),
    (r"2^{\lfloor n/2\rfloor}", r"2^{\lceil (n-1)/2\rceil}"),
    (r"\binom{n}{\lfloor n/2\rfloor}", r"\binom{n}{\lceil n/2\rceil}"),
    (r"\gcd(a,b)", r"\gcd(b,a)"),
    (r"\operatorname{lcm}(n,6)", r"\frac{6n}{\gcd(n,6)}"),
    (r"\gcd(n^2,n)", r"n"),
    (r"(2n)!!", r"2^n n!"),
    (r"(2n-1)!!", r"\frac{(2n)!}{2^n n!}"),
    (r"\binom{n}{3}", r"\frac{n(n-1)(n-2)}{6}"),
    (r"\binom{n}{k}+\binom{n}{k-1}", r"\binom{n+1}{k}"),
    (r"\frac{|x+1|+|x-1|}{2}", r"\max(|x|,1)"),
    (r"\frac{|x+1|-|x-1|}{2}", r"\max(-1,\min(1,x))"),
    (r"|a+b|+|a-b|", r"2\max(|a|,|b|)"),
    (r"\cos|x|", r"\cos x"),
    (r"\max(x,y)-\min(x,y)", r"|x-y|"),
    (r"\max(x,y)\min(x,y)", r"xy"),
    (r"\max(2,3)", r"3"),
    (r"|(x-1)(x-3)|", r"|x^2-4x+3|"),
    (r"\left\lfloor\frac{n+7}{8}\right\rfloor", r"\left\lceil\frac{n}{8}\right\rceil"),
    (r"|x|+|y|=1", r"|y|+|x|=1"),
    (r"\begin{cases} x & x\ge 0\\ -x & x<0\end{cases}", r"\begin{cases} -x & x<0 \\ x & x\ge 0\end{cases}"),
    (r"\cos(\pi k)", r"(-1)^k"),
    (r"\sin(\pi n/2)", r"-\sin(3\pi n/2)"),
    (r"\cos(2\pi n/3)", r"\cos(4\pi n/3)"),
    (r"\tan(\pi/4+\pi n)", r"\tan(\pi/4 + \pi n)"),
    (r"100\sin(120\pi t)", r"100\cos(120\pi t-\frac{\pi}{2})"),
    (r"100\sin(120\pi t)", r"-100\sin(-120\pi t)"),
    (r"0.5\cos(4\pi x-8\pi t)", r"0.5\cos(8\pi t-4\pi x)"),
    (r"(-1)^{n}2^n", r"(-2)^n"),
    (r"(-1)^{n(n-1)/2}", r"(-1)^{\binom{n}{2}}"),
    (r"(-1)^{k+1}k", r"(-1)^{k-1}k"),
    (r"i^{2n}", r"(-1)^n"),
    (r"(-1)^{m+n}", r"(-1)^{m-n}"),
    (r"(-1)^{2n}", r"1"),
    (r"\frac{1-(-1)^n}{n\pi}", r"\frac{1+(-1)^{n+1}}{n\pi}"),
    (r"\frac{1-\cos n\pi}{n}", r"\frac{1-(-1)^n}{n}"),
    (r"(-1)^{\lfloor n/2\rfloor}", r"(-1)^{n(n-1)/2}"),
    (r"|x-100|", r"|100-x|"),
    (r"|x||y|", r"|xy|"),
    (r"|x|^2", r"x^2"),
    (r"\sqrt{x^2}", r"|x|"),
    (r"\sqrt{x^2-40x+400}", r"|x-20|"),
    (r"\sqrt{x^4}", r"x^2"),
    (r"\sqrt{x^2+1}", r"\sqrt{1+x^2}"),
    (r"\sqrt{x-1}\sqrt{x+1}", r"\sqrt{x-1}\cdot\sqrt{1+x}"),
    (r"\sqrt{1-\cos^2 x}", r"|\sin x|"),
    (r"\max(a,b,c)", r"\max(c,\max(a,b))"),
    (r"\min(a,b)", r"\frac{a+b-|a-b|}{2}"),
    (r"\min(a,b)", r"a+b-\max(a,b)"),
    (r"\max(0,n-1000)", r"\frac{n-1000+|n-1000|}{2}"),
    (r"||x|-5|", r"|5-|x||"),
    (r"|x^2-50|", r"|50-x^2|"),
    (r"\lfloor n/2 \rfloor", r"\frac{2n-1+(-1)^n}{4}"),
    (r"\lceil n/2 \rceil", r"\lfloor (n+1)/2 \rfloor"),
    (r"\lfloor n/3 \rfloor + 1", r"\lceil (n+1)/3 \rceil"),
    (r"\lfloor n/k \rfloor + 1", r"\lfloor (n+k)/k \rfloor"),
    (r"\lfloor x+1 \rfloor", r"\lfloor x \rfloor + 1"),
    (r"\lfloor -x \rfloor", r"-\lceil x\rceil"),
    (r"\lfloor \log_2 n\rfloor + 1", r"\lceil \log_2 (n+1) \rceil"),
    (r"\gcd(m,n)\,\text{lcm}(m,n)", r"mn"),
    (r"\gcd(n,n+1)", r"1"),
    (r"\gcd(n,n+6)", r"\gcd(n,6)"),
    (r"x\operatorname{sgn}(x)", r"|x|"),
    (r"\frac{|x|}{x}", r"\frac{x}{|x|}"),
    (r"\ln(x^2)", r"2\ln|x|"),
    (r"\binom{n}{k}", r"\binom{n}{n-k}"),
    (r"\binom{n}{2}", r"\frac{n(n-1)}{2}"),
    (r"\binom{2n}{n}", r"\frac{(2n)!}{(n!)^2}"),
    (r"(n+1)!", r"(n+1)n!"),
    (r"\frac{n!}{(n-2)!}", r"n(n-1)"),
    (r"\frac{(n+1)!}{n!}", r"n+1"),
    (r"\sum_{k=1}^n k", r"\frac{n(n+1)}{2}"),
    (r"(-1)^n", r"(-1)^{n+2}"),
    (r"(-1)^{n+1}", r"-(-1)^n"),
    (r"(-1)^{n}", r"e^{i\pi n}"),
    (r"(-1)^{k}", r"\cos(k\pi)"),
    (r"\cos(n\pi/2)", r"\frac{i^n+(-i)^n}{2}"),
    (r"a_{n+1}-a_n", r"-a_n+a_{n+1}"),
    (r"2^{65536}", r"2^{2^{2^{2^{2}}}}"),
    (r"x^{2^{20}}+1", r"1+x^{1048576}"),
    (r"\sqrt{10^{40}+1}-10^{20}", r"\frac{1}{\sqrt{10^{40}+1}+10^{20}}"),
    (r"1-2^{-1000}", r"\frac{2^{1000}-1}{2^{1000}}"),
    (r"\ln(10^{1000})", r"1000\ln 10"),
    (r"e^{x+1}", r"e\cdot e^x"),
    (r"\frac{x^2-1}{x-1}", r"x+1"),
    (r"x^{1/2}", r"\sqrt x"),
    (r"x^{2/3}", r"\sqrt[3]{x^2}"),
    (r"(x^2)^{1/2}", r"|x|"),
    (r"\sqrt{60x}\cdot\sqrt{12x}\cdot\sqrt{63x}", r"36x\sqrt{35x}"),
    (r"\sqrt[3]{x^3}", r"x"),
    (r"\sqrt[4]{x^4}", r"|x|"),
    (r"\sqrt{x^2+2xy+y^2}", r"|x+y|"),
    (r"\frac{x+|x|}{2}", r"\max(x,0)"),
    (r"|a-b|", r"\max(a,b)-\min(a,b)"),
    (r"\lfloor 2x \rfloor", r"\lfloor x\rfloor+\lfloor x+\frac12\rfloor"),
    (r"\prod_{k=1}^n k", r"n!"),
]
DIFFERENT = [
    (r"Q(0) e^{-\frac{t}{R C}}", r"Q(0)e^{-tC/R}"),
    (r"2^{1000000}+3^{1000000}", r"2^{1000000}+3^{1000000}+1"),
    (r"2^{1000000}", r"4^{500001}"),
    (r"\frac{2^{10^6}}{2^{10^6}-1}", r"1"),
    (r"10^{-10^6}", r"0"),
    (r"10^{-10^6}", r"10^{-10^6-1}"),
    (r"1+10^{-10^6}", r"1"),
    (r"\sqrt{1+10^{-10^6}}", r"1"),
    (r"e^{-10^6}", r"0"),
    (r"1-e^{-10^4}", r"1"),
    (r"e^{e^{10}}", r"e^{e^{10}}+1"),
    (r"\ln(2^{10^6}+1)", r"10^6\ln 2"),
    (r"2^{10^6}\pi", r"2^{10^6}\pi+1"),
    (r"\pi^{10^5}", r"\pi^{10^5}+1"),
    (r"e^{\pi\cdot 1000}", r"e^{\pi\cdot 1000}-1"),
    (r"\sqrt{2}^{1000000}", r"2^{500000}+1"),
    (r"100!", r"100!+1"),
    (r"10000!", r"10000!+1"),
    (r"\binom{1000}{500}", r"\binom{1000}{500}+1"),
    (r"\binom{20000}{10000}", r"\binom{20000}{10000}+1"),
    (r"F_{100}", r"F_{101}"),
    (r"2^{64}-1", r"18446744073709551616"),
    (r"2^{64}", r"1.8446744\times 10^{19}"),
    (r"10^{100}+1", r"10^{100}"),
    (r"7^{7^{7^7}}", r"7^{7^{7^7}}+1"),
    (r"x^{10^6}", r"x^{10^6+1}"),
    (r"(x+1)^{1000}", r"(x+1)^{1000}+1"),
    (r"(x+1)^{1000}", r"(x+1)^{1000}+x"),
    (r"(x+y)^{5000}", r"x^{5000}+y^{5000}"),
    (r"e^{1000x}+e^{-1000x}", r"e^{1000x}"),
    (r"\cosh(1000x)", r"\sinh(1000x)"),
    (r"\tanh(1000x)", r"1"),
    (r"2^{n}+2^{-n}", r"2^n"),
    (r"2^{1000n}+1", r"2^{1000n}"),
    (r"n^{1000}+1", r"n^{1000}"),
    (r"n^n+1", r"n^n"),
    (r"(n!)^{100}+1", r"(n!)^{100}"),
    (r"n!+2^n", r"n!"),
    (r"e^{-x^2}+10^{-100}", r"e^{-x^2}"),
    (r"\arctan(10^{100})", r"\frac{\pi}{2}"),
    (r"\sin(10^{-100})", r"10^{-100}"),
    (r"\cos(10^{-100})", r"1"),
    (r"\frac{\sin(10^{-50})}{10^{-50}}", r"1"),
    (r"\log_{10}(10^{100}+1)", r"100"),
    (r"\sqrt{10^{200}+1}", r"10^{100}"),
    (r"\sqrt[3]{10^{300}+1}", r"10^{100}"),
    (r"0.999999999999999999999999", r"1"),
    (r"1.000000000000000000000001x", r"x"),
    (r"\sqrt{2}+10^{-60}", r"\sqrt{2}"),
    (r"\sqrt2\cdot(1+10^{-80})", r"\sqrt2"),
    (r"\frac{355}{113}", r"\pi"),
    (r"e^{\pi}-\pi", r"20"),
    (r"\sqrt{163}\cdot\pi", r"\ln(640320^3+744)"),
    (r"\sum_{k=1}^{100} k", r"5051"),
    (r"\max\{a,b\}", r"\max\{a,2b\}"),
    (r"\max\{x-10,0\}", r"0"),
    (r"\min\{n,100\}", r"n"),
    (r"\lvert x-50\rvert", r"50-x"),
    (r"abs(x-50)", r"x-50"),
    (r"floor(n/2)", r"ceil(n/2)"),
    (r"⌊n/2⌋", r"⌈n/2⌉"),
    (r"⌊n/2⌋", r"n/2"),
    (r"n \bmod 7", r"n \bmod 5"),
    (r"\operatorname{sgn}(x-5)", r"-1"),
    (r"x|x|", r"x^2"),
    (r"|x|x", r"-x^2"),
    (r"|x|^3", r"x^3"),
    (r"\sqrt[6]{x^6}", r"x"),
    (r"\sqrt{x^6}", r"x^3"),
    (r"\sqrt{4x^2-4x+1}", r"1-2x"),
    (r"\sqrt{(a-b)^2}", r"a-b"),
    (r"\sqrt{\sin^2 x}", r"\sin x"),
    (r"\sqrt{x^2}+\sqrt{y^2}", r"x+y"),
    (r"\sqrt{x^2+6x+9}+\sqrt{x^2-6x+9}", r"2x"),
    (r"\sqrt{x^2+6x+9}+\sqrt{x^2-6x+9}", r"6"),
    (r"(x^2)^{3/2}", r"x^3"),
    (r"(x^4)^{1/4}", r"x"),
    (r"\left(x^2\right)^{\frac{1}{2}}", r"x"),
    (r"\lfloor x\rfloor+\lceil x\rceil", r"2x"),
    (r"\lceil x\rceil - \lfloor x\rfloor", r"1"),
    (r"\lfloor \frac{n^2}{4} \rfloor", r"\frac{n^2}{4}"),
    (r"\lfloor \frac{n^2}{4} \rfloor", r"\frac{n^2-1}{4}"),
    (r"\lfloor \frac{n}{10} \rfloor+\lfloor\frac{n}{100}\rfloor", r"\lfloor\frac{n}{10}\rfloor"),
    (
        r"\lfloor \frac{n}{5}\rfloor+\lfloor \frac{n}{25}\rfloor",
        r"\lfloor \frac{n}{5}\rfloor+\lfloor \frac{n}{24}\rfloor",
    ),
    (r"\left\lfloor \frac{1000}{n}\right\rfloor", r"\left\lfloor \frac{1001}{n}\right\rfloor"),
    (r"\left\lfloor \frac{1000}{n}\right\rfloor", r"\left\lceil \frac{1000}{n}\right\rceil"),
    (r"\lfloor \log_{10} n \rfloor + 1", r"\lceil \log_{10} n\rceil"),
    (r"\lfloor \sqrt[3]{n}\rfloor", r"\lceil\sqrt[3]{n}\rceil"),
    (r"2^{\lfloor n/2\rfloor}", r"2^{\lceil n/2\rceil}"),
    (r"\binom{n}{\lfloor n/2\rfloor}", r"\binom{n-1}{\lfloor n/2\rfloor}"),
    (r"\gcd(a,b)", r"\gcd(a,2b)"),
    (r"\gcd(a,b)", r"a"),
    (r"\operatorname{lcm}(n,6)", r"6n"),
    (r"\gcd(2^n-1,3)", r"1"),
    (r"n!!", r"n!"),
    (r"\binom{n}{3}", r"\frac{n(n-1)(n-2)}{3}"),
    (r"\binom{n}{k}+\binom{n}{k+1}", r"\binom{n+1}{k}"),
    (r"\frac{|x+1|+|x-1|}{2}", r"|x|"),
    (r"\frac{|x+1|-|x-1|}{2}", r"\min(1,x)"),
    (r"|a|+|b|+|c|", r"|a+b+c|"),
    (r"|a+b|+|a-b|", r"2|a|"),
    (r"\frac{1}{|x|}", r"\frac1x"),
    (r"e^{|x|}", r"e^x"),
    (r"e^{-|x-30|}", r"e^{x-30}"),
    (r"\ln(1+|x|)", r"\ln(1+x)"),
    (r"\sin|x|", r"\sin x"),
    (r"\arccos(\cos x)", r"x"),
    (r"\arctan x+\arctan\frac1x", r"\frac{\pi}{2}"),
    (r"\frac{\sin x}{|\sin x|}", r"1"),
    (r"\max(x,y)+\min(x,y)", r"2x"),
    (r"\max(x,x^2)", r"x^2"),
    (r"\max(x,2)", r"x+2"),
    (r"\max(\sin x, \cos x)", r"\sin x"),
    (r"|x^2-4x+3|", r"x^2-4x+3"),
    (r"|x^3-1000|", r"1000-x^3"),
    (r"|2^n-1000|", r"1000-2^n"),
    (r"|n!-5000|", r"5000-n!"),
    (r"|e^x-10000|", r"10000-e^x"),
    (r"\left||x-20|-|x-60|\right|", r"40"),
    (r"\left\lfloor\frac{n}{2}\right\rfloor", r"\frac{n-1}{2}"),
    (r"\left\lfloor\frac{x}{2}\right\rfloor", r"\left\lceil\frac{x-1}{2}\right\rceil"),
    (r"\left\lfloor\frac{x+7}{8}\right\rfloor", r"\left\lceil\frac{x}{8}\right\rceil"),
    (r"y = \lfloor x \rfloor", r"y = \lceil x\rceil"),
    (r"|x|+|y|=1", r"x+y=1"),
    (r"\max(|x|,|y|)=1", r"|x|=1"),
    (r"|x-3|=|x+5|", r"x-3=x+5"),
    (r"y=|x-2|+|x-7|", r"y=5"),
    (r"\begin{cases} x & x\ge 0\\ -x & x<0\end{cases}", r"\begin{cases} x & x\le 0 \\ -x & x>0\end{cases}"),
    (r"\begin{cases} x & x\ge 0\\ -x & x<0\end{cases}", r"x"),
    (r"\sin(2\pi t)", r"0"),
    (r"\sin(2\pi ft)", r"0"),
    (r"A\cos(2\pi f t+\phi)", r"A\cos(\phi)"),
    (r"\cos(\pi x)", r"(-1)^x"),
    (r"\sin(\pi n/2)", r"\sin(3\pi n/2)"),
    (r"\cos(2\pi n/3)", r"\cos(\pi n/3)"),
    (r"e^{2\pi i k/5}", r"e^{2\pi i k/7}"),
    (r"e^{2\pi i k/5}", r"1"),
    (r"e^{2\pi i k}", r"e^{\pi i k}"),
    (r"e^{i\pi t}", r"(-1)^t"),
    (r"e^{2\pi i t}", r"1"),
    (r"\tan(\pi t)", r"0"),
    (r"100\sin(120\pi t)", r"100\sin(60\pi t)"),
    (r"0.5\cos(4\pi x-8\pi t)", r"0.5"),
    (r"0.5\cos(4\pi x-8\pi t)", r"0.5\cos(4\pi x+8\pi t)"),
    (r"(-1)^{n}2^n", r"2^n"),
    (r"(-1)^{n(n+1)/2}", r"(-1)^n"),
    (r"(-1)^{k+1}k", r"(-1)^k k"),
    (r"i^n", r"(-1)^n"),
    (r"(-1)^{m+n}", r"(-1)^m"),
    (r"\frac{1-(-1)^n}{2}", r"1"),
    (r"\frac{2(1-\cos(n\pi))}{n\pi}", r"\frac{2(1+\cos(n\pi))}{n\pi}"),
    (r"\frac{\sin(n\pi/2)}{n}", r"\frac{\cos(n\pi/2)}{n}"),
    (r"\cos(p\pi)", r"\cos(3p\pi)"),
    (r"\cos(r\pi)", r"(-1)^r"),
    (r"\cos(q\pi)+\cos(2q\pi)", r"\cos(q\pi)+1"),
    (r"\sin^2(\pi t)", r"0"),
    (r"\sin(\pi N)", r"\sin(2\pi N)"),
    (r"1+\sin(\pi n)", r"1"),
    (r"\sin(\omega t)", r"0"),
    (r"2^{(-1)^n}", r"2"),
    (r"(-1)^{\lfloor n/2\rfloor}", r"(-1)^n"),
    (r"|x-100|", r"100-x"),
    (r"|x-1000000|", r"1000000-x"),
    (r"|x|+|y|", r"x+y"),
    (r"|x+y|", r"|x|+|y|"),
    (r"\sqrt{x^2}", r"x"),
    (r"\sqrt{x^2-40x+400}", r"20-x"),
    (r"\sqrt{x^2y}", r"x\sqrt{y}"),
    (r"\sqrt{1-\cos^2 x}", r"\sin x"),
    (r"\max(a,b,c)", r"\max(a,b)"),
    (r"\max(n-10,0)", r"0"),
    (r"|x-3|+|x-5|", r"|2x-8|"),
    (r"||x|-5|", r"|x|-5"),
    (r"|x^2-50|", r"50-x^2"),
    (r"|x-100|+|x-101|", r"|2x-201|"),
    (r"\lceil x/2 \rceil", r"\lfloor (x+1)/2 \rfloor"),
    (r"\lfloor n/1000 \rfloor", r"\lfloor (n-1)/1000 \rfloor"),
    (r"\lfloor n/k \rfloor", r"\lfloor (n-1)/k \rfloor"),
    (r"\lfloor x \rfloor", r"x"),
    (r"\lfloor n \rfloor", r"n"),
    (r"\lfloor \log_2 n\rfloor", r"\lceil \log_2 n \rceil"),
    (r"\lfloor \sqrt{n} \rfloor", r"\lceil \sqrt n \rceil"),
    (r"\lfloor x \rfloor^2", r"\lfloor x^2 \rfloor"),
    (r"\gcd(n,12)", r"\gcd(n,24)"),
    (r"\gcd(n,1001)", r"1"),
    (r"\operatorname{sgn}(x)", r"1"),
    (r"\ln|x|", r"\ln x"),
    (r"\ln|x+5|", r"\ln(x+5)"),
    (r"\ln|x-5|", r"\ln(5-x)"),
    (r"\arcsin(\sin x)", r"x"),
    (r"\arctan(\tan x)", r"x"),
    (r"\binom{n}{2}", r"\frac{n(n+1)}{2}"),
    (r"\binom{2n}{n}", r"4^n"),
    (r"n!", r"(n+1)!"),
    (r"\sum_{k=1}^n k", r"\frac{n(n-1)}{2}"),
    (r"(-1)^n", r"1"),
    (r"(-1)^n", r"(-1)^{n+1}"),
    (r"\cos(\pi t)", r"(-1)^t"),
    (r"\cos(2\pi n)", r"1"),
    (r"\sin(n\pi/2)", r"\cos(n\pi/2)"),
    (r"3\cos(\pi t+\pi/4)", r"3\cos(\pi t-\pi/4)"),
    (r"\sin(600\pi t)", r"\sin(300\pi t)"),
    (r"5\cos(2\pi t)", r"5"),
    (r"\sin(n\pi)", r"0"),
    (r"\sin(600\pi n)", r"\sin(300\pi n)"),
    (r"2^n + (-1)^n", r"2^n-(-1)^n"),
    (r"F_{n+1}", r"F_n"),
    (r"2^{2^{20}}", r"2^{2^{20}}+1"),
    (r"10^{10^6}+5", r"10^{10^6}+7"),
    (r"e^{5000}", r"e^{5000}+1"),
    (r"7^{7^7}", r"7^{7^7}-1"),
    (r"10^{10^{100}}", r"10^{10^{100}}+1"),
    (r"2^{2^{2^{2^{2}}}}", r"2^{2^{2^{2^{2}}}}+1"),
    (r"x^{2000}+1", r"x^{2000}"),
    (r"x^{2^{20}}+1", r"x^{2^{20}}"),
    (r"\sqrt2+\pi", r"\sqrt2+\pi+e^{-3000}"),
    (r"12", r"12+e^{-2000}"),
    (r"12", r"12+10^{-5000}"),
    (r"12", r"12+2^{-10^6}"),
    (r"\sqrt2", r"\sqrt2+2^{-10^6}"),
    (r"\pi^{1000}+1", r"\pi^{1000}"),
    (r"\sqrt{10^{40}+1}-10^{20}", r"0"),
    (r"\frac{2^{1000}-1}{2^{1000}}", r"1"),
    (r"1000!+1", r"1000!"),
    (r"5000!", r"5000!+1"),
    (r"\ln(1+e^{-3000})", r"0"),
    (r"\sin(10^{50})", r"\sin(10^{50}+1)"),
    (r"e^{100x}+1", r"e^{100x}"),
    (r"1+e^{-1000x}", r"1"),
    (r"y=|x-100|", r"y=100-x"),
    (r"y=|x|", r"y=x"),
    (r"y=\sqrt{x^2}", r"y=x"),
    (r"y=\max(x,5)", r"y=5"),
    (r"y = x^{2000}", r"y=x^{2000}+1"),
    (r"(x^2)^{1/2}", r"x"),
    (r"\sqrt[4]{x^4}", r"x"),
    (r"\sqrt{x^2+2xy+y^2}", r"x+y"),
    (r"\frac{x+|x|}{2}", r"x"),
    (r"|\sin x|", r"\sin x"),
    (r"\left|\frac{x-3}{x+4}\right|", r"\frac{x-3}{x+4}"),
    (r"\lfloor 2x \rfloor", r"2\lfloor x\rfloor"),
    (r"x-\lfloor x\rfloor", r"x"),
    (r"n^2+n+41", r"n^2+n+40"),
    (r"\frac{1}{n!}", r"\frac{1}{(n-1)!}"),
]


@pytest.mark.parametrize(("one", "two"), SAME)
def test_the_same(one: str, two: str) -> None:
    assert equal(one, two) and equal(two, one)


@pytest.mark.parametrize(("one", "two"), DIFFERENT)
def test_not_the_same(one: str, two: str) -> None:
    assert not equal(one, two) and not equal(two, one)


# --- corners and steps, wherever they are -----------------------------------------------------------------

corners = st.fractions(-(10**7), 10**7, max_denominator=12)


def _signed(value: Fraction) -> str:
    return f"+{value}" if value >= 0 else str(value)


@SETTINGS
@given(corners, corners, st.sampled_from("xtnab"))
def test_corners_anywhere(one: Fraction, two: Fraction, name: str) -> None:
    gap = f"|{name}{_signed(-one)}|"
    assert equal(gap, f"|{one}-{name}|")
    assert not equal(gap, f"{name}{_signed(-one)}") and not equal(gap, f"{one}-{name}")
    assert equal(f"\\max({name},{one})", f"\\frac{{{name}{_signed(one)}+{gap}}}{{2}}")
    assert equal(f"\\sqrt{{({name}{_signed(-one)})^2}}", gap)
    assume(one != two)
    assert not equal(gap, f"|{name}{_signed(-two)}|")
    assert not equal(f"\\max({name},{one})", f"\\max({name},{two})")
    low, high = sorted((one, two))
    both = f"|{name}{_signed(-low)}|+|{name}{_signed(-high)}|"
    assert not equal(both, f"|2{name}{_signed(-low - high)}|")  # differs between the two corners alone


@pytest.mark.parametrize("at", [Fraction(0), Fraction(-100), Fraction(7, 2), Fraction(50_003)])
@pytest.mark.parametrize(("factor", "name"), [(2, "x"), (10, "n")])
def test_a_root_of_a_square_has_a_corner_whatever_stands_with_it(
    at: Fraction, factor: int, name: str
) -> None:
    """√(c²(x-a)²) in all ways to write it is c|x-a|; neither branch alone, nor the whole with a corner beside it."""
    gap, square = f"({name}{_signed(-at)})", factor * factor
    gold = f"{factor}|{name}{_signed(-at)}|"
    for root in (f"{square}{gap}^2", f"({factor}{gap})^2", f"{gap}^2\\cdot {square}", f"{square}({at}-{name})^2",
                 f"\\frac{{{square * 4}{gap}^2}}{{4}}", f"{gap}^2+{square - 1}{gap}^2"):  # fmt: skip
        for text in (f"\\sqrt{{{root}}}", f"({root})^{{1/2}}"):
            assert equal(gold, text), text
            for other in (f"{factor}{gap}", f"-{factor}{gap}", f"{factor}|{name}{_signed(-at - 1)}|"):
                assert not equal(other, text), (other, text)


@pytest.mark.parametrize("base", ["2", "3", "10", "\\frac{1}{2}", "0.7", "e", "\\pi", "\\sqrt{2}"])
@pytest.mark.parametrize("name", ["x", "t", "y"])
def test_a_power_of_a_positive_number_is_one_at_every_real_number(base: str, name: str) -> None:
    power = f"({base})^{{{name}}}"
    assert equal(power, f"({base})^{{{name}-1}}\\cdot {base}")
    for other in (f"({base})^{{\\lfloor {name}\\rfloor}}", f"({base})^{{\\lceil {name}\\rceil}}",
                  f"{power}\\cos(2\\pi {name})", f"{power}+\\sin(\\pi {name})"):  # fmt: skip
        assert not equal(power, other) and not equal(other, power), other


@SETTINGS
@given(st.integers(2, 2_000), st.integers(-50, 50), st.integers(-50, 50))
def test_steps_of_any_width(width: int, one: int, two: int) -> None:
    def floor(shift: int) -> str:
        return f"\\lfloor (n{shift:+})/{width} \\rfloor"

    assert equal(floor(one), f"\\lceil (n{one - width + 1:+})/{width} \\rceil")
    assert equal(floor(one), f"\\lfloor (n{one + width:+})/{width} \\rfloor-1")
    assume(one != two)
    assert not equal(floor(one), floor(two))
    assert not equal(floor(one), f"\\lceil (n{one:+})/{width} \\rceil")


@SETTINGS
@given(st.integers(2, 3_000), st.integers(2, 3_000))
def test_common_divisors(one: int, two: int) -> None:
    assert equal(f"\\gcd(n,{one})", f"\\gcd({one}, n+{one})")
    assume(one != two)
    assert not equal(f"\\gcd(n,{one})", f"\\gcd(n,{two})")


@SETTINGS
@given(st.integers(2, 40), st.integers(1_000, 10**9), st.integers(-3, 3), st.integers(-3, 3))
def test_powers_too_large_to_write_out(base: int, exponent: int, one: int, two: int) -> None:
    gold = f"{base}^{{{exponent}}}{one:+}"
    assert equal(gold, f"{one}+{base}^{{{exponent}}}")
    assert equal(gold, f"{base}\\cdot {base}^{{{exponent - 1}}}{one:+}")
    assume(one != two)
    assert not equal(gold, f"{base}^{{{exponent}}}{two:+}")
    assert not equal(f"\\sqrt2+{base}^{{-{exponent}}}", "\\sqrt2")


# --- whole letters ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("Let $p$ and $q$ be distinct primes. For every integer t, find it.", "pqt"),
        ("For positive integers $a$, $b$, and $c$ with $a+b=c$", "abc"),
        ("where n is a positive integer", "n"),
        ("What are the digits $A$ and $B$?", "AB"),
        ("$m,n\\in\\mathbb{N}$ and x is a real number", "mn"),
        ("$k \\in \\mathbb{Z}$", "k"),
        ("How many integers are there in a box? If a is a real number", ""),
    ],
)
def test_letters_that_a_problem_calls_whole(text: str, letters: str) -> None:
    assert whole_letters(text) == set(letters)


def test_only_the_problem_makes_a_letter_whole() -> None:
    verifier = MathVerifier()
    for prompt, right in (("Let t be an integer.", 1.0), ("At time t it is at rest.", 0.0)):
        problem = Problem("p", prompt, "(-1)^t+1")
        assert verifier.verify(problem, "", "\\cos(\\pi t)+1").score == right
    problem = Problem("p", "For a real x", "\\lceil x/2 \\rceil")
    assert verifier.verify(problem, "", "\\lfloor (x+1)/2 \\rfloor").score == 0.0
    assert MathVerifier(whole=["x"]).verify(problem, "", "\\lfloor (x+1)/2 \\rfloor").score == 1.0


# --- bounded ----------------------------------------------------------------------------------------------

HEAVY = [
    "+".join(f"|x-{k}|e^{{{k}0x}}" for k in range(1, 30)),
    "\\max(e^{x},e^{y},e^{z})+\\sin(x^{50})",
    "\\lfloor x\\rfloor+\\sin(1000x)e^{700x}+\\cosh(500x)",
    "+".join(f"|x-{k}|" for k in range(150)),
    "|" * 20 + "x" + "-1|" * 20,
    "\\max(" + ",".join(f"x^{{{k}}}" for k in range(1, 60)) + ")",
    "+".join(f"\\lfloor x/{k} \\rfloor" for k in range(2, 75)),
    "\\gcd(n,999983)+\\gcd(n,720720)",
    "+".join(f"\\sqrt{{(x-{k})^2}}" for k in range(100)),
    "+".join(f"e^{{-{k}000}}" for k in range(1, 150)),
    "\\lfloor 10^{10^6} x \\rfloor",
    "|abcdefghuvwxyz|+|a-b|+|c-d|+\\max(a,b,c,d,e,f,g,h)",
    "\\sqrt{" * 12 + "x^2" + "}" * 12,
    "\\arcsin(\\sin(" * 6 + "x" + "))" * 6,
]


def added_up() -> float:
    """CPU seconds of a computation that never changes: about 12 ms where the comparisons take up to 1.5 s."""
    start = time.process_time()
    sum((Fraction(1, k) for k in range(1, 3000)), Fraction(0))
    return time.process_time() - start


@pytest.mark.serial
@pytest.mark.parametrize("text", HEAVY, ids=lambda text: text[:20])
def test_heavy_comparisons_end_soon(text: str) -> None:
    """Unbounded they take minutes. Held against other work at the same moment: machines are not equally fast."""
    before, start = added_up(), time.process_time()
    equal(text, text + "+0q")
    equal("x+1", text)
    took = time.process_time() - start
    assert took < 250 * max(before, added_up())
