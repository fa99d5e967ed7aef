#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains a small byte-level GPT on chat JSONL; the example that Branchline's demo runs.

    train.py --train DATA/train --eval DATA/eval --max-steps 400 --lr 0.004

Everything else comes from the environment, as on SageMaker and under Branchline:

    SM_CHANNEL_TRAIN, SM_CHANNEL_EVAL  directories of *.jsonl (or --train, --eval)
    BRANCHLINE_CHECKPOINT_DIR          step-000120.pt files, each complete or absent
    RESUME_FROM_CHECKPOINT             file or directory to continue from; empty: start fresh
    BRANCHLINE_METRICS                 JSON lines are appended here, one per point
    SM_MODEL_DIR, SM_OUTPUT_DATA_DIR   model.pt; metrics.json
    WORLD_SIZE, RANK, LOCAL_RANK       set by torchrun: data-parallel training; rank 0 writes

The same points go to standard output as {'loss': 2.31, ...} lines for people. They carry no
step: a collector that reads both should take $BRANCHLINE_METRICS and ignore those lines.

On SIGTERM a checkpoint is written at the next step and the exit status is 143, so that an
interrupted run never looks finished. 2 means bad usage or data, in one line on stderr.
"""
import argparse
import array
import contextlib
import glob
import json
import math
import os
import re
import signal
import sys
import time

# OpenBLAS (distributions' builds) reads this once: many threads only wait on small matrices
os.environ.setdefault("OPENBLAS_NUM_THREADS", str(min(4, os.cpu_count() or 1)))

import torch                                # noqa: E402
from torch import nn                        # noqa: E402
from torch.nn import functional         # noqa: E402

# Bytes are 0..255; these three follow. A conversation is USER text ASSISTANT text END.
USER, ASSISTANT, END = 256, 257, 258
VOCABULARY = 259
# Each place also sees the bytes just before it in tables of its own: attention alone needs
# thousands of steps to find them. The tables are read by row and take a higher rate.
NEIGHBOURS = 4
TABLE_RATE = 20
STEP_FILE = re.compile(r"step-(\d{6,})\.pt$")
EXIT_BAD_INPUT = 2
EXIT_TERMINATED = 128 + signal.SIGTERM


class BadInput(Exception):
    """What the user can put right; printed as one line, without a traceback."""


def options():
    """Parses the command line; the environment gives the defaults."""
    env = os.environ.get
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--train", default=env("SM_CHANNEL_TRAIN", ""), help="file or directory")
    p.add_argument("--eval", default=env("SM_CHANNEL_EVAL", ""), help="file or directory")
    p.add_argument("--lr", type=float, default=0.004, help="peak learning rate")
    p.add_argument("--max-steps", type=int, default=400)
    p.add_argument("--warmup", type=int, default=20, help="steps of linear warm-up")
    p.add_argument("--batch-size", type=int, default=16, help="sequences per step and process")
    p.add_argument("--layers", type=int, default=2)
    p.add_argument("--dim", type=int, default=96, help="model width")
    p.add_argument("--heads", type=int, default=2)
    p.add_argument("--context", type=int, default=64, help="bytes per sequence")
    p.add_argument("--log-every", type=int, default=10, help="steps between loss lines")
    p.add_argument("--eval-every", type=int, default=50, help="steps between evaluations")
    p.add_argument("--eval-batches", type=int, default=8)
    p.add_argument("--save-every", type=int, default=50, help="steps between checkpoints")
    p.add_argument("--keep", type=int, default=2, help="checkpoints to keep")
    p.add_argument("--all-bytes", action="store_true", help="learn the questions too")
    p.add_argument("--threads", type=int, default=0, help="CPU threads; 0: choose")
    p.add_argument("--prompt", default="What does os.path.join do?", help="final sample")
    p.add_argument("--seed", type=int, default=1)
    # --max_steps and --max-steps are one: hyperparameters are named as variables are
    args = p.parse_args([re.sub(r"^--[a-z_]+", lambda flag: flag[0].replace("_", "-"), word)
                         for word in sys.argv[1:]])
    for name in ("max_steps", "batch_size", "layers", "dim", "heads", "context", "log_every",
                 "eval_every", "eval_batches", "save_every", "keep"):
        if getattr(args, name) < 1:
            p.error(f"--{name.replace('_', '-')} must be at least 1")
    if args.dim % args.heads:
        p.error(f"--dim {args.dim} is not a multiple of --heads {args.heads}")
    return args


# Data

def encode(messages, all_bytes, ids, learn):
    """Appends a conversation's ids, and for each whether the model learns to say it."""
    for message in messages:
        is_answer = message["role"] == "assistant"
        text = message["content"].encode()
        ids.append(ASSISTANT if is_answer else USER)
        ids.extend(text)
        learn.append(all_bytes)
        learn += bytes([is_answer or all_bytes]) * len(text)
    ids.append(END)
    learn.append(True)


def read_channel(path, name, all_bytes):
    """All conversations of a channel, joined: (ids, learn) as two 1-D tensors."""
    if not path:
        raise BadInput(f"no {name} data: set SM_CHANNEL_{name.upper()} or pass --{name} PATH")
    files = sorted(glob.glob(os.path.join(path, "*.jsonl"))) if os.path.isdir(path) else [path]
    if not files:
        raise BadInput(f"no {name} data: no *.jsonl in {path}")
    ids, learn = array.array("h"), bytearray()
    for file in files:
        try:
            with open(file, encoding="utf-8") as lines:
                for number, line in enumerate(lines, 1):
                    encode(json.loads(line)["messages"], all_bytes, ids, learn)
        except OSError as e:
            raise BadInput(f"read {file}: {e.strerror}") from None
        except UnicodeDecodeError as e:
            raise BadInput(f"{file}: not UTF-8: {e.reason}") from None
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            raise BadInput(f"{file}:{number}: not a chat record "
                           f'{{"messages":[{{"role","content"}}]}}: {e}') from None
    if not ids:
        raise BadInput(f"no {name} data: {', '.join(files)} holds no record")
    return torch.frombuffer(ids, dtype=torch.int16), torch.frombuffer(learn, dtype=torch.bool)


class Windows:
    """A channel as windows of context + 1 ids, visited in an order that the seed alone gives."""

    def __init__(self, channel, args, name):
        self.ids, self.learn = channel
        self.context, self.seed = args.context, args.seed
        self.count = (len(self.ids) - 1) // args.context
        if self.count < 1:
            raise BadInput(f"{name} data: {len(self.ids)} bytes, fewer than one window of "
                           f"{args.context}: add data or lower --context")
        self.epoch, self.order = -1, None

    def window(self, position):
        """The window at a place in the endless sequence of shuffled epochs."""
        epoch, index = divmod(position, self.count)
        if epoch != self.epoch:
            generator = torch.Generator().manual_seed(self.seed * 1000003 + epoch)
            self.epoch, self.order = epoch, torch.randperm(self.count, generator=generator)
        return int(self.order[index]) * self.context

    def batch(self, starts, device):
        """(inputs, targets) [len(starts), context]; a target not to be learnt is -100."""
        rows = torch.tensor(starts).unsqueeze(1) + torch.arange(self.context + 1)
        ids = self.ids[rows].long()
        targets = ids[:, 1:].masked_fill(~self.learn[rows][:, 1:], -100)
        return ids[:, :-1].to(device), targets.to(device)


# Model

class Block(nn.Module):
    """Pre-norm attention and MLP."""

    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.up, self.down = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def attend(self, x):
        batch, length, dim = x.shape
        q, k, v = (part.view(batch, length, self.heads, dim // self.heads).transpose(1, 2)
                   for part in self.qkv(x).split(dim, dim=2))
        if hasattr(functional, "scaled_dot_product_attention"):     # torch 2.0
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            hidden = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
            scores = q @ k.transpose(2, 3) / math.sqrt(dim // self.heads)
            y = scores.masked_fill(hidden, -math.inf).softmax(dim=3) @ v
        return self.out(y.transpose(1, 2).reshape(batch, length, dim))

    def forward(self, x):
        x = x + self.attend(self.norm1(x))
        return x + self.down(functional.gelu(self.up(self.norm2(x))))


class Model(nn.Module):
    """A GPT over bytes: ids [batch, length] -> logits [batch, length, VOCABULARY]."""

    def __init__(self, shape):
        super().__init__()
        dim = shape["dim"]
        self.tables = nn.ModuleList(nn.Embedding(VOCABULARY, dim) for _ in range(NEIGHBOURS))
        self.place = nn.Embedding(shape["context"], dim)
        self.blocks = nn.ModuleList(Block(dim, shape["heads"]) for _ in range(shape["layers"]))
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, VOCABULARY, bias=False)
        for name, weight in self.blocks.named_parameters():
            if weight.dim() == 2:
                ends_branch = name.endswith(("out.weight", "down.weight"))
                depth = 2 * shape["layers"] if ends_branch else 1
                nn.init.normal_(weight, std=1 / math.sqrt(weight.shape[1] * depth))
        nn.init.zeros_(self.head.weight)        # so that the first loss is log(VOCABULARY)

    def forward(self, ids):
        length = ids.shape[1]
        x = self.place(torch.arange(length, device=ids.device))
        before = functional.pad(ids, (NEIGHBOURS - 1, 0), value=END)
        for back, table in enumerate(self.tables):
            first = NEIGHBOURS - 1 - back
            x = x + table(before[:, first:first + length])
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def loss_of(logits, targets):
    """(cross entropy in nats, bytes it is the sum over); a batch may hold nothing to learn."""
    total = functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten(),
                                     ignore_index=-100, reduction="sum")
    return total, (targets >= 0).sum()


@torch.no_grad()
def answer(model, prompt, context, device, limit=160):
    """A reply to one question, at most limit bytes; the same model always says the same."""
    ids = [USER] + list(prompt.encode()) + [ASSISTANT]
    said = []
    generator = torch.Generator().manual_seed(1)
    while len(said) < limit:
        logits = model(torch.tensor([(ids + said)[-context:]], device=device))[0, -1].cpu()
        # Below 1, so that a young model's likely bytes prevail; not greedy, which goes in circles
        likely = (logits.float() / 0.6).softmax(dim=0)
        byte = int(torch.multinomial(likely, 1, generator=generator))
        if byte == END:
            break
        said.append(byte)
    text = bytes(b for b in said if b < 256).decode("utf-8", "replace")
    return "".join(c if c.isprintable() else " " for c in text)


# Files

def write_whole(path, write):
    """Calls write(file) on a temporary file; path appears complete and synced, or not at all."""
    folder = os.path.dirname(path) or "."
    os.makedirs(folder, exist_ok=True)
    temporary = os.path.join(folder, f".{os.path.basename(path)}.tmp")
    try:
        with open(temporary, "wb") as out:
            write(out)
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)        # a full disk gets its space back
        raise
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def step_files(folder):
    """[(step, path)] of a directory's checkpoints, oldest first."""
    found = []
    for name in os.listdir(folder):
        match = STEP_FILE.match(name)
        if match:
            found.append((int(match.group(1)), os.path.join(folder, name)))
    return sorted(found)


class Checkpoints:
    """The newest `keep` step files of a directory; without a directory nothing is kept."""

    def __init__(self, folder, keep):
        self.folder, self.keep = folder, keep
        if folder:
            os.makedirs(folder, exist_ok=True)
            for stale in glob.glob(os.path.join(folder, ".step-*.pt.tmp")):
                os.unlink(stale)        # of a writer that was killed

    def save(self, step, state):
        if not self.folder:
            return
        path = os.path.join(self.folder, f"step-{step:06d}.pt")
        write_whole(path, lambda out: torch.save(state, out))
        for _, old in step_files(self.folder)[:-self.keep]:
            os.unlink(old)
        print(f"checkpoint: {os.path.basename(path)}", flush=True)


def find_resume(path):
    """The checkpoint that RESUME_FROM_CHECKPOINT means, or None on a fresh start."""
    if not path:
        return None
    if os.path.isfile(path):
        return path
    found = step_files(path) if os.path.isdir(path) else []
    if not found:
        raise BadInput(f"RESUME_FROM_CHECKPOINT={path} holds no step-*.pt: "
                       "unset it to start fresh")
    return found[-1][1]


class Log:
    """Points for machines ($BRANCHLINE_METRICS) and for people (standard output)."""

    def __init__(self, path, step, total_steps):
        self.file = None
        if path:
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            # Each line is one append: two attempts never mix within a line
            self.file = open(path, "ab", buffering=0)
            self.append({"step": step, "total_steps": total_steps})

    def append(self, record):
        if self.file:
            self.file.write(json.dumps(record).encode() + b"\n")

    def point(self, step, values):
        rounded = {name: float(f"{value:.6g}") for name, value in values.items()}
        self.append({"step": step, **rounded})
        print(rounded, flush=True)


# Training

def choose_device(args):
    """The device of this process, after setting the number of CPU threads."""
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
        return device
    if args.threads:
        torch.set_num_threads(args.threads)
    elif not torch.backends.mkl.is_available():
        # Distributions' builds: OpenBLAS has threads of its own, and a second pool only waits
        # for the first (three times slower on two cores)
        torch.set_num_threads(1)
    return torch.device("cpu")


def precision(device):
    """A context for the forward pass: bfloat16 where the card has it."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return lambda: torch.autocast("cuda", dtype=torch.bfloat16)
    return contextlib.nullcontext


def rate_at(step, args):
    """Learning rate of a step (from 1): linear warm-up, then a cosine to a tenth."""
    if step <= args.warmup:
        return args.lr * step / args.warmup
    done = (step - args.warmup) / max(1, args.max_steps - args.warmup)
    return args.lr * (0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, done))))


class Trainer:
    """Model, optimiser and position in the data: what a checkpoint holds."""

    def __init__(self, args, device):
        self.args, self.device = args, device
        self.step = 0           # optimiser steps done
        self.position = 0       # sequences consumed by all processes
        self.losses = []        # of the steps since the last loss line
        self.rank = int(os.environ.get("RANK", "0"))
        self.world = int(os.environ.get("WORLD_SIZE", "1"))
        self.precision = precision(device)
        self.shape = {k: getattr(args, k) for k in ("dim", "heads", "layers", "context")}
        torch.manual_seed(args.seed)
        self.model = Model(self.shape).to(device)
        tables = list(self.model.tables.parameters())
        others = [p for n, p in self.model.named_parameters() if not n.startswith("tables.")]
        self.optimizer = torch.optim.AdamW(
            [{"params": tables, "scale": TABLE_RATE, "weight_decay": 0.0},
             {"params": [p for p in others if p.dim() > 1], "scale": 1, "weight_decay": 0.1},
             {"params": [p for p in others if p.dim() == 1], "scale": 1, "weight_decay": 0.0}],
            lr=args.lr, betas=(0.9, 0.95))

    def parallel(self):
        """The model that averages gradients over all processes; itself where there is one."""
        if not is_distributed():
            return self.model
        ids = [self.device.index] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(self.model, device_ids=ids)

    def state(self):
        """Everything that the next step depends on, as tensors, integers and texts: torch 1.13
        reads nothing else with weights_only. The optimiser's groups follow from the flags."""
        state = {"step": self.step, "position": self.position, "shape": self.shape,
                 "losses": torch.tensor(self.losses, dtype=torch.float64),
                 "model": self.model.state_dict(),
                 "optimizer": self.optimizer.state_dict()["state"],
                 "rng": torch.get_rng_state()}
        if self.device.type == "cuda":
            state["rng_cuda"] = torch.cuda.get_rng_state(self.device)
        return state

    def restore(self, path):
        try:
            # weights_only: a checkpoint is data and must not run code
            state = torch.load(path, map_location="cpu", weights_only=True)
            shape = state["shape"]
        except Exception as e:      # a damaged file raises any of many types
            raise BadInput(f"load {path}: {(str(e) or repr(e)).splitlines()[0]}") from None
        if shape != self.shape:
            raise BadInput(f"{path} holds a model of {shape}, the command asks for {self.shape}")
        self.model.load_state_dict(state["model"])
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state["optimizer"], "param_groups": groups})
        torch.set_rng_state(state["rng"])
        if self.device.type == "cuda" and "rng_cuda" in state:
            torch.cuda.set_rng_state(state["rng_cuda"], self.device)
        self.step, self.position = state["step"], state["position"]
        self.losses = state["losses"].tolist()

    def learn(self, model, windows):
        """One optimiser step on this process's share. Returns (gradient norm, learning rate)."""
        share = self.args.batch_size
        first = self.position + self.rank * share
        starts = [windows.window(first + i) for i in range(share)]
        inputs, targets = windows.batch(starts, self.device)
        self.step += 1
        self.position += share * self.world
        rate = rate_at(self.step, self.args)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        with self.precision():
            total, count = loss_of(model(inputs), targets)
        loss = total / count.clamp(min=1)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.losses.append(float(loss.detach()))
        return float(norm), rate

    @torch.no_grad()
    def evaluate(self, windows):
        """Mean loss over a fixed sample of the evaluation channel."""
        wanted = min(windows.count, self.args.eval_batches * self.args.batch_size)
        starts = [i * windows.count // wanted * self.args.context for i in range(wanted)]
        total, count = 0.0, 0
        for i in range(0, wanted, self.args.batch_size):
            inputs, targets = windows.batch(starts[i:i + self.args.batch_size], self.device)
            with self.precision():
                loss, learnt = loss_of(self.model(inputs), targets)
            total += float(loss)
            count += int(learnt)
        return total / max(1, count)


def is_distributed():
    return torch.distributed.is_available() and torch.distributed.is_initialized()


@contextlib.contextmanager
def process_group(device):
    """Joins the other processes that torchrun started; does nothing without them."""
    if "WORLD_SIZE" not in os.environ:
        yield
        return
    lacking = [n for n in ("RANK", "MASTER_ADDR", "MASTER_PORT") if n not in os.environ]
    if lacking:
        raise BadInput(f"WORLD_SIZE is set, {' '.join(lacking)} not: start this with torchrun, "
                       "or unset WORLD_SIZE")
    torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


class Stop:
    """Remembers SIGTERM until the step is over; one process's signal stops all of them."""

    def __init__(self, device):
        self.device, self.asked = device, False
        signal.signal(signal.SIGTERM, self.ask)

    def ask(self, *_):
        self.asked = True

    def is_due(self):
        if not is_distributed():
            return self.asked
        flag = torch.tensor([self.asked], dtype=torch.int32, device=self.device)
        torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
        return bool(flag)


class Recorder:
    """What rank 0 writes: points, checkpoints, the model. The other ranks write nothing."""

    def __init__(self, trainer, train, evaluation):
        args, env = trainer.args, os.environ.get
        self.trainer, self.train, self.evaluation = trainer, train, evaluation
        self.log = Log(env("BRANCHLINE_METRICS", ""), trainer.step, args.max_steps)
        self.checkpoints = Checkpoints(env("BRANCHLINE_CHECKPOINT_DIR", ""), args.keep)
        self.newest = {}        # last value of each metric
        self.saved_step = trainer.step

    def point(self, values):
        self.newest.update(values)
        self.log.point(self.trainer.step, values)

    def save(self):
        if self.saved_step != self.trainer.step:
            self.checkpoints.save(self.trainer.step, self.trainer.state())
            self.saved_step = self.trainer.step

    def after_step(self, norm, rate):
        """Logs, evaluates and saves where this step's number asks for it."""
        t, args = self.trainer, self.trainer.args
        last = t.step == args.max_steps
        if t.step == 1 or t.step % args.log_every == 0 or last:
            self.point({"loss": sum(t.losses) / len(t.losses), "grad_norm": norm,
                        "learning_rate": rate, "epoch": t.position / self.train.count})
            t.losses = []
        if t.step % args.eval_every == 0 or last:
            self.point({"eval_loss": t.evaluate(self.evaluation)})
        if t.step % args.save_every == 0 or last:
            self.save()

    def finish(self):
        """Writes the model and the last metrics, and lets the model speak."""
        t, env = self.trainer, os.environ.get
        said = answer(t.model, t.args.prompt, t.args.context, t.device)
        print(f"sample: {t.args.prompt} -> {said}", flush=True)
        model = {"shape": t.shape, "model": t.model.state_dict()}
        if env("SM_MODEL_DIR"):
            path = os.path.join(env("SM_MODEL_DIR"), "model.pt")
            write_whole(path, lambda out: torch.save(model, out))
        if env("SM_OUTPUT_DATA_DIR"):
            keep = {k: self.newest[k] for k in ("loss", "eval_loss") if k in self.newest}
            text = json.dumps(keep).encode() + b"\n"
            path = os.path.join(env("SM_OUTPUT_DATA_DIR"), "metrics.json")
            write_whole(path, lambda out: out.write(text))


def train(args, device):
    """Trains until max_steps or SIGTERM. Returns the exit status."""
    windows = Windows(read_channel(args.train, "train", args.all_bytes), args, "train")
    held_out = Windows(read_channel(args.eval, "eval", args.all_bytes), args, "eval")
    resume = find_resume(os.environ.get("RESUME_FROM_CHECKPOINT", ""))
    stop, trainer = Stop(device), Trainer(args, device)
    if resume:
        trainer.restore(resume)
    recorder = Recorder(trainer, windows, held_out) if trainer.rank == 0 else None
    if recorder:
        size = sum(p.numel() for p in trainer.model.parameters())
        print(f"{'resume ' + os.path.basename(resume) if resume else 'start'}: step {trainer.step} of "
              f"{args.max_steps}, {size / 1e6:.2f} M parameters, {len(windows.ids) / 1e6:.2f} MB, "
              f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}", flush=True)
    model, began, first = trainer.parallel(), time.monotonic(), trainer.step
    while trainer.step < args.max_steps:
        norm, rate = trainer.learn(model, windows)
        if recorder:
            recorder.after_step(norm, rate)
        if stop.is_due():
            if recorder:
                recorder.save()
                print(f"stopped by SIGTERM after step {trainer.step}", flush=True)
            return EXIT_TERMINATED
    if recorder:
        recorder.finish()
        print(f"done: {trainer.step - first} steps in {time.monotonic() - began:.1f} s")
    return 0


def main():
    args = options()
    sys.stdout.reconfigure(errors="replace")
    device = choose_device(args)
    try:
        with process_group(device):
            return train(args, device)
    except BadInput as e:
        print(f"train.py: {e}", file=sys.stderr)
        return EXIT_BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
