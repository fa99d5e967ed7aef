#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The numbers of docs/benchmarks.md: ours beside the peers', in turn, in one run.

    tests/bench/run.py [--seconds-quiet N] BIN TOOLS [PART...]

BIN holds the static programs, TOOLS the built tests/bench/*.c. Parts: start capture quiet report.
Round 1 is dropped; medians, smallest and largest. Nothing here is asserted by a test.
"""
import argparse
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import tempfile
import time

ROUNDS = 7
STARTS_PER_ROUND = 40
CAPTURE_BYTES = 2_000_000_000
CHUNK = 65536
REPORT_POINTS = 100_000


def spread(values, digits=2):
    low, mid, high = min(values), statistics.median(values), max(values)
    return f"{mid:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def table(title, head, rows):
    print(f"\n### {title}\n")
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print(flush=True)


def clean_env(work):
    """No setting of the caller's reaches the programs."""
    keep = {key: os.environ[key] for key in ("PATH",) if key in os.environ}
    return keep | {"HOME": str(work), "LANG": "C.UTF-8"}


def measure(tools, runs, commands, cwd):
    """Per command a list of {wall_us, cpu_us, rss_kib, status}."""
    argv = [str(tools / "measure"), str(runs)]
    for i, command in enumerate(commands):
        argv += (["+"] if i else []) + [str(word) for word in command]
    done = subprocess.run(argv, cwd=cwd, env=clean_env(cwd), stdout=subprocess.PIPE, check=True,
                          text=True)
    out = [[] for _ in commands]
    for line in done.stdout.splitlines():
        number, wall, cpu, rss, status = line.split()
        out[int(number)].append({"wall_us": float(wall), "cpu_us": float(cpu),
                                 "rss_kib": int(rss), "status": int(status)})
    return out


# --- Start-up ---------------------------------------------------------------------------------

def part_start(bin_dir, tools, work):
    commands = {
        "static no-op": [tools / "noop"],
        "`branchline --help`": [bin_dir / "branchline", "--help"],
        "`true` alone": ["true"],
        "`tini -s -- true`": ["tini", "-s", "--", "true"],
        "`catatonit -- true`": ["catatonit", "--", "true"],
        "`branchline-runner exec -- true`": [bin_dir / "branchline-runner", "exec", "--", "true"],
    }
    commands = {name: argv for name, argv in commands.items() if shutil.which(str(argv[0]))}
    rounds = []
    rss = {name: 0 for name in commands}
    bad = set()
    for _ in range(ROUNDS + 1):
        results = measure(tools, STARTS_PER_ROUND, list(commands.values()), work)
        rounds.append([statistics.median(run["wall_us"] for run in runs) for runs in results])
        for name, runs in zip(commands, results):
            rss[name] = max(rss[name], *(run["rss_kib"] for run in runs))
            if any(run["status"] for run in runs):
                bad.add(name)
    rounds = rounds[1:]
    base = statistics.median(round_[0] for round_ in rounds)
    rows = []
    for i, name in enumerate(commands):
        walls = [round_[i] / 1e3 for round_ in rounds]
        beyond = statistics.median(walls) - base / 1e3
        rows.append([name + (" FAILED" if name in bad else ""), spread(walls), f"{beyond:.2f}",
                     f"{rss[name] / 1024:.1f}"])
    table(f"Start to exit ({ROUNDS} rounds of {STARTS_PER_ROUND}, in turn)",
          ["command", "wall ms, median (min to max)", "beyond the no-op, ms", "peak RSS MiB"], rows)


# --- Capture ----------------------------------------------------------------------------------

def produce(command, work, report):
    report.unlink(missing_ok=True)
    before = os.times()
    done = subprocess.run(command, cwd=work, env=clean_env(work), stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, shell=isinstance(command, str))
    after = os.times()
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    if done.returncode or not report.exists():
        return None, done.stderr.decode(errors="replace")[-300:]
    size, seconds, p50, p99, worst = (float(word) for word in report.read_text().split())
    return {"gbs": size / seconds / 1e9, "p50": p50, "p99": p99, "max": worst,
            "cpu": cpu / (size / 1e9)}, ""


def part_capture(bin_dir, tools, work):
    report = work / "producer.txt"
    producer = [str(tools / "producer"), str(CAPTURE_BYTES), str(CHUNK), str(report)]
    runner = [str(bin_dir / "branchline-runner"), "exec", "--"]
    ways = {
        "`producer >/dev/null` (no pipe)": producer,
        "`producer \\| cat >/dev/null`": " ".join(producer) + " | cat >/dev/null",
        "`branchline-runner exec -- producer`": runner + producer,
    }
    got = {name: [] for name in ways}
    for round_ in range(ROUNDS + 1):
        for name, command in ways.items():
            figures, why = produce(command, work, report)
            if figures is None:
                print(f"{name} failed: {why}")
            elif round_:
                got[name].append(figures)
    rows = []
    for name, figures in got.items():
        if figures:
            rows.append([name] + [spread([f[key] for f in figures], digits) for key, digits in
                                  (("gbs", 2), ("p50", 1), ("p99", 1), ("max", 0), ("cpu", 2))])
    table(f"Capture of {CAPTURE_BYTES / 1e9:g} GB in writes of {CHUNK // 1024} KiB "
          f"({ROUNDS} rounds, in turn)",
          ["way", "GB/s", "write p50 us", "write p99 us", "write max us", "all CPU s/GB"], rows)


# --- Beside a quiet training ------------------------------------------------------------------

TICK = os.sysconf("SC_CLK_TCK")


def stat_of(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
        args = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    rss = {key: int(value.split()[0]) for key, _, value in
           (line.partition(":") for line in status.splitlines()) if key in ("VmRSS", "VmHWM", "RssAnon")}
    return {"parent": int(fields[1]), "cpu_s": (int(fields[11]) + int(fields[12])) / TICK,
            "args": [arg.decode(errors="replace") for arg in args], **rss}


def family(pid):
    everyone = {int(p.name): stat_of(int(p.name)) for p in pathlib.Path("/proc").iterdir()
                if p.name.isdigit()}
    inside, grown = {pid}, True
    while grown:
        more = {p for p, s in everyone.items() if s and s["parent"] in inside} - inside
        inside |= more
        grown = bool(more)
    return {p: everyone[p] for p in inside if everyone.get(p)}


def role(args):
    if args and args[0].endswith("branchline-runner") and len(args) > 1:
        return args[1]
    return "local" if args and args[0].endswith("/branchline") else ""


def part_quiet(bin_dir, _tools, work, seconds):
    settle = 15
    where = work / "quiet"
    where.mkdir()
    child = subprocess.Popen([str(bin_dir / "branchline"), "local", "--", "sleep",
                              str(seconds + settle + 5)], cwd=where, env=clean_env(work),
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(settle)
    before = family(child.pid)
    began = time.monotonic()
    time.sleep(seconds)
    after = family(child.pid)
    took = time.monotonic() - began
    said = child.communicate()[1].decode(errors="replace")
    rows, cpu, rss = [], 0.0, 0.0
    for pid, now in sorted(after.items()):
        name = role(now["args"])
        if not name or pid not in before:
            continue
        share = (now["cpu_s"] - before[pid]["cpu_s"]) / took * 100
        rows.append([name, f"{share:.3f}", f"{now['VmHWM'] / 1024:.1f}",
                     f"{now['RssAnon'] / 1024:.1f}"])
        if name in ("host", "ship"):
            cpu += share
            rss += now["VmHWM"] / 1024
    rows.append(["**host + ship**", f"**{cpu:.3f}**", f"**{rss:.1f}**", ""])
    if len(rows) == 1:
        print(f"branchline local ended early ({child.returncode}): {said[-500:]}")
    table(f"Beside a training that is silent for {seconds} s (CPU clock in steps of "
          f"{1000 // TICK} ms)", ["process", "% of a core", "peak RSS MiB", "of it anonymous MiB"], rows)


# --- The report of a long run -----------------------------------------------------------------

WRITE_POINTS = """
import json, math, os, random
random.seed(1)
with open(os.environ["BRANCHLINE_METRICS"], "w") as out:
    for step in range(1, {points} + 1):
        loss = 1.2 + 8 * math.exp(-step / 9000) + random.gauss(0, 0.05)
        out.write(json.dumps({{"step": step, "loss": round(loss, 5)}}) + "\\n")
"""


def part_report(bin_dir, tools, work):
    where = work / "long"
    where.mkdir()
    (where / "points.py").write_text(WRITE_POINTS.format(points=REPORT_POINTS))
    made = subprocess.run([str(bin_dir / "branchline"), "local", "--", "/usr/bin/python3",
                           "points.py"], cwd=where, env=clean_env(work), stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE)
    if made.returncode:
        print(f"branchline local failed: {made.stderr.decode(errors='replace')[-500:]}")
        return
    stored = sum(1 for path in (where / ".branchline/store").rglob("metrics/*/*.jsonl")
                 for _ in path.open())
    formats = ["md", "html", "json", "term"]
    commands = [[bin_dir / "branchline", "report", "--format", name, "-o", f"out.{name}"]
                for name in formats]
    runs = measure(tools, ROUNDS + 1, commands, where)
    rows = []
    for name, results in zip(formats, runs):
        bad = any(run["status"] for run in results)
        results = results[1:]
        rows.append([name + (" FAILED" if bad else ""),
                     spread([run["wall_us"] / 1e3 for run in results], 1),
                     spread([run["cpu_us"] / 1e3 for run in results], 1),
                     f"{max(run['rss_kib'] for run in results) / 1024:.1f}"])
    table(f"Report of a run of {REPORT_POINTS} points ({stored} stored lines; {ROUNDS} rounds, in turn)",
          ["format", "wall ms", "CPU ms", "peak RSS MiB"], rows)


def version_of(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return "absent"
    return (done.stdout or done.stderr).strip().splitlines()[0] if done.stdout or done.stderr else "?"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bin", type=pathlib.Path)
    parser.add_argument("tools", type=pathlib.Path)
    parser.add_argument("parts", nargs="*", default=["start", "capture", "report", "quiet"])
    parser.add_argument("--seconds-quiet", type=int, default=60)
    args = parser.parse_args()
    bin_dir, tools = args.bin.resolve(), args.tools.resolve()
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo")
                if line.startswith("model name")), "?")
    catatonit = version_of("catatonit", "--version").replace("tini version", "catatonit").split("_")[0]
    print(f"{time.strftime('%Y-%m-%d')}; {os.cpu_count()} cores, {cpu}; Linux {platform.release()}; "
          f"{version_of('tini', '--version')}; {catatonit}; load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        for part in args.parts:
            if part == "quiet":
                part_quiet(bin_dir, tools, work, args.seconds_quiet)
            else:
                globals()[f"part_{part}"](bin_dir, tools, work)


if __name__ == "__main__":
    main()
