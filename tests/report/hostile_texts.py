"""Text that tries to act instead of being shown. Each one would set `window.pwned` if it could."""

SCRIPTS = [
    "<script>window.pwned = 1</script>",
    "</script><script>window.pwned = 2</script>",
    "</SCRIPT ><img src=x onerror='window.pwned = 3'>",
    "<img src=x onerror=window.pwned=4>",
    "<svg onload=window.pwned=5><animate onbegin=window.pwned=6 attributeName=x dur=1s>",
    "<iframe srcdoc='<script>parent.pwned = 7</script>'></iframe>",
    "<a href='javascript:window.pwned=8' autofocus onfocus=window.pwned=9>x</a>",
    "<style>body{display:none}</style><link rel=stylesheet href='data:text/css,body{display:none}'>",
    "<!-- <script> --><script>window.pwned = 10</script>",
    "{{ 7 * 7 }}{% raw %}${window.pwned = 11}`",
    '" onmouseover="window.pwned=12" x="',
    "' onmouseover='window.pwned=13' x='",
    "<base href='https://example.invalid/'><form action=https://example.invalid><input autofocus></form>",
    "<meta http-equiv=refresh content='0;url=https://example.invalid'>",
    "<template><script>window.pwned=14</script></template><noscript><p title='</noscript><img src=x>'>",
]
TERMINAL = [
    "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m",
    "\x9b31mred",
    "a\rb\x08\x08c\x00d\x7f",
    "\x1b]8;;https://example.invalid\x1b\\click\x1b]8;;\x1b\\",
]
TEXT = [
    "\u202eright to left\u202c and \u2066isolated\u2069",
    "line\u2028separator\u2029paragraph\ufeff\u200b",
    "half a pair: \ud800 and \udfff",
    "Ω≈ç√∫ 数学 🧮",
    "=cmd|' /C calc'!A0",
    "x" * 50_000,
]
ALL = [*SCRIPTS, *TERMINAL, *TEXT]
