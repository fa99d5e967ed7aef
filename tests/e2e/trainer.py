# SPDX-License-Identifier: Apache-2.0
"""A trainer without a framework: what the tests run in the place of a real one.

Counts steps towards a target, reports a falling loss, writes checkpoints atomically, resumes,
saves on SIGTERM. Each --flag makes it misbehave in one way.
"""
import argparse
import json
import os
import pathlib
import signal
import sys
import time
import zipfile


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--step_ms", type=int, default=5)
    parser.add_argument("--save_every", type=int, default=5)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--fail_at", type=int, default=0, help="raise at this step")
    parser.add_argument("--nan_at", type=int, default=0, help="loss is NaN from this step on")
    parser.add_argument("--hold_at", type=int, default=0, help="wait for a signal at this step")
    parser.add_argument("--hold_attempt", type=int, default=1, help="... in this attempt only")
    parser.add_argument("--ignore_term", action="store_true")
    parser.add_argument("--ballast_kib", type=int, default=4, help="size of a checkpoint")
    parser.add_argument("--exit", type=int, default=0)
    parser.add_argument("--message", default="")
    return parser.parse_args()


def newest(directory):
    found = sorted(pathlib.Path(directory).glob("step-*.pt")) if directory else []
    return found[-1] if found else None


def save(directory, step, ballast_kib):
    """A zip like torch.save's, made whole before it gets its name."""
    if not directory:
        return
    path = pathlib.Path(directory) / f"step-{step:06d}.pt"
    temporary = path.with_suffix(".tmp")
    with zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr("state", json.dumps({"step": step}) + " " * (ballast_kib * 1024))
    os.replace(temporary, path)


def load(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("state"))["step"]


def main():
    args = parse()
    checkpoints = os.environ.get("BRANCHLINE_CHECKPOINT_DIR")
    resume = newest(os.environ.get("RESUME_FROM_CHECKPOINT"))
    step = load(resume) if resume else 0
    attempt = int(os.environ["BRANCHLINE_ATTEMPT"])
    hold_at = args.hold_at if attempt == args.hold_attempt else 0
    stop = []
    signal.signal(signal.SIGTERM, signal.SIG_IGN if args.ignore_term else lambda *_: stop.append(1))
    print(f"start at step {step}, attempt {attempt}", flush=True)
    metrics = open(os.environ["BRANCHLINE_METRICS"], "a", buffering=1)
    while step < args.steps and not stop:
        step += 1
        loss = float("nan") if args.nan_at and step >= args.nan_at else 4 / (1 + args.lr * step)
        metrics.write(json.dumps({"step": step, "total_steps": args.steps, "loss": loss}) + "\n")
        if args.message:
            print(args.message, flush=True)
        if step == args.fail_at:
            raise ValueError(f"the tensor at step {step} has the wrong shape")
        if step % args.save_every == 0:
            save(checkpoints, step, args.ballast_kib)
        while step == hold_at and not stop:
            time.sleep(0.02)
        time.sleep(args.step_ms / 1000)
    if stop:
        save(checkpoints, step, args.ballast_kib)
        print(f"stopped at step {step}", flush=True)
        return 0
    pathlib.Path(os.environ["SM_MODEL_DIR"], "model.bin").write_bytes(bytes(range(256)) * step)
    print(f"done at step {step}", flush=True)
    return args.exit


sys.exit(main())
