"""What the summary of a test run says of the verifiers."""


def pytest_terminal_summary(terminalreporter):
    """One line: at which levels and as which users the exam of code was taken, whether or not it was passed."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    properties = [entry for report in reports for entry in report.user_properties]
    taken = [value for name, value in properties if name == "code exam"]
    if taken:
        terminalreporter.write_line(f"code exam taken: {', '.join(taken)}")
