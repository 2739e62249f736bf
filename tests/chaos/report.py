"""The tables: on the terminal line by line as results come, as Markdown at the end."""

import os
import platform

BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->"

SCENARIO_HEAD = ("what fails", "workers", "failed requests", "noticed", "avoided", "steady",
                 "load on the survivors", "normal again after repair")


def milliseconds(value):
    if value is None:
        return "-"
    return f"{value / 1000:.1f} s" if value >= 1000 else f"{value:.0f} ms"


def failures(result):
    if not result["failed"]:
        return f"0 of {result['requests']}"
    kinds = ", ".join(f"{count} {kind}" for kind, count in result["kinds"].most_common())
    note = f"; {result['note']}" if result["note"] else ""
    return f"{result['failed']} of {result['requests']} ({kinds}{note})"


def noticed(result):
    if result["noticed"] is None:
        return "-"
    after_ms, what = result["noticed"]
    return f"{milliseconds(after_ms)} ({what})"


def survivors(result):
    shares = [f"{name} {share:.0%}" for name, share in result["survivors"].items() if share > 0.005]
    return ", ".join(shares) or "-"


class Report:
    def __init__(self, arguments):
        self.arguments = arguments
        self.rows, self.bars, self.comparison = [], [], []
        self.all_held = True

    # ---- Scenarios ----

    def begin_scenarios(self):
        print(" | ".join(SCENARIO_HEAD), flush=True)

    def add_scenario(self, title, workers, result):
        row = (title, str(workers), failures(result), noticed(result),
               milliseconds(result["avoided_ms"]), milliseconds(result["steady_ms"]),
               survivors(result), milliseconds(result["returned_ms"]))
        self.rows.append(row)
        print(" | ".join(row) + f"   [slow {result['slow']}, worst {result['worst_ms']:.0f} ms, "
              f"sent there {result['sent_to_broken']:.0f}, upstream {result['ratio']:.2f} x, "
              f"load late {result['load_delay_ms']:.0f} ms]", flush=True)

    def skip_scenario(self, title, workers, why):
        row = (title, str(workers), f"SKIPPED: {why}", "", "", "", "", "")
        self.rows.append(row)
        print(" | ".join(row), flush=True)

    # ---- Bars ----

    def add_bar(self, what, measured, held):
        self.bars.append((what, measured, "held" if held else "NOT HELD"))
        self.all_held = self.all_held and held
        print(f"{'held    ' if held else 'NOT HELD'}  {what}: {measured}", flush=True)

    def add_comparison(self, row):
        self.comparison.append(row)
        print(" | ".join(row), flush=True)

    # ---- Markdown ----

    def write(self, path):
        text = path.read_text() if path.exists() else ""
        if BEGIN in text and END in text:
            before, _, rest = text.partition(BEGIN)
            text = before + BEGIN + "\n" + self.markdown() + "\n" + END + rest.partition(END)[2]
        else:
            text = self.markdown()
        path.write_text(text)

    def markdown(self):
        parts = [f"{os.cpu_count()} cores, Linux {platform.release()}, "
                 f"{self.arguments.rate} requests/s of GETs, open loop.\n"]
        if self.rows:
            parts.append(table(SCENARIO_HEAD, self.rows))
        if self.comparison:
            parts.append(table(("proxy", "workers", "failed", "p99", "worst", "requests served"),
                               self.comparison))
        if self.bars:
            parts.append(table(("bar", "measured", ""), self.bars))
        return "\n".join(parts)


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
