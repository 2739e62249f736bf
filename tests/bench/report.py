"""Medians and ratios of what was measured, as text and as Markdown."""

import platform
import statistics
import subprocess
import time

from endpoints import endpoints_table, pick_table
from load import SCENARIOS

PEERS = ("nginx", "haproxy")


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def median_ratio(runs, others, key):
    """Median over rounds of ours / theirs of the same round."""
    ratios = [run[key] / other[key] for run, other in zip(runs, others) if other[key] > 0]
    return statistics.median(ratios) if ratios else float("nan")


def version(command):
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (result.stdout + result.stderr).strip().splitlines()
    return lines[0] if lines else "?"


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as cpuinfo:
        for line in cpuinfo:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{model}, Linux {platform.release()}"


class Report:
    def __init__(self, arguments):
        self.arguments = arguments
        self.runs = {}

    def add(self, scenario, proxy, result):
        self.runs.setdefault(scenario, {}).setdefault(proxy, []).append(result)

    def ratios(self, scenario, proxy, key):
        by_proxy = self.runs[scenario]
        return [f"{median_ratio(by_proxy[proxy], by_proxy[peer], key):.2f}"
                if peer in by_proxy and peer != proxy else "" for peer in PEERS]

    def traffic_row(self, scenario, proxy, runs):
        errors = sum(run["errors"] for run in runs)
        return [proxy, f"{median(runs, 'requests_per_s'):,.0f}",
                f"{median(runs, 'p50_us') / 1000:.2f}", f"{median(runs, 'p99_us') / 1000:.2f}",
                f"{median(runs, 'cpu_us'):.1f}", *self.ratios(scenario, proxy, "cpu_us"),
                f"{median(runs, 'proxy_load') * 100:.0f} %", str(errors)]

    def memory_row(self, scenario, proxy, runs):
        return [proxy, f"{median(runs, 'bytes_per_connection') / 1000:.2f}",
                *self.ratios(scenario, proxy, "bytes_per_connection")]

    def tables(self):
        """(title, header, rows) per scenario."""
        for scenario, by_proxy in self.runs.items():
            yield (SCENARIOS[scenario][0], *self.table(scenario, by_proxy))

    def table(self, scenario, by_proxy):
        if SCENARIOS[scenario][1] == "pick":
            return pick_table(by_proxy["evergate"], median)
        if SCENARIOS[scenario][1] == "endpoints":
            return endpoints_table(by_proxy, median,
                                   lambda proxy, key: self.ratios(scenario, proxy, key))
        if scenario.startswith("idle"):
            header = ["proxy", "kB each", "/ nginx", "/ HAProxy"]
            make_row = self.memory_row
        else:
            header = ["proxy", "requests/s", "p50 ms", "p99 ms", "CPU µs/request",
                      "/ nginx", "/ HAProxy", "core used", "errors"]
            make_row = self.traffic_row
        return header, [make_row(scenario, proxy, by_proxy[proxy]) for proxy in sorted(by_proxy)]

    def preamble(self):
        fields = "X-Forwarded-For only at nginx and HAProxy" if self.arguments.plain \
            else "the same added fields at all three"
        log = "on" if self.arguments.access_log else "off"
        return [f"{machine()}; {time.strftime('%Y-%m-%d')}",
                f"{version(['nginx', '-v'])}; {version(['haproxy', '-v'])}",
                f"medians of {self.arguments.rounds} interleaved rounds of "
                f"{self.arguments.seconds:g} s; access logs {log}; {fields}"]

    def text(self):
        lines = self.preamble()
        for title, header, rows in self.tables():
            widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
            lines += ["", title]
            for row in [header, *rows]:
                cells = [cell.ljust(width) if i == 0 else cell.rjust(width)
                         for i, (cell, width) in enumerate(zip(row, widths))]
                lines.append("  " + "  ".join(cells).rstrip())
        return "\n".join(lines)

    def markdown(self):
        lines = [f"- {line}" for line in self.preamble()]
        for title, header, rows in self.tables():
            lines += ["", f"**{title}**", "", "| " + " | ".join(header) + " |",
                      "| --- |" + " ---: |" * (len(header) - 1)]
            lines += ["| " + " | ".join(row) + " |" for row in rows]
        return "\n".join(lines) + "\n"
