"""Learning rates of diffusers' schedules with warm-up: crates/cl-strategies/tests/fixtures/schedules.json."""

import json
from pathlib import Path

import diffusers
import torch
from diffusers.optimization import get_scheduler

OUT = Path(__file__).parents[2] / "crates/cl-strategies/tests/fixtures/schedules.json"
WARMUP, STEPS = 3, 10
NAMES = {"constant": "constant_with_warmup", "cosine": "cosine", "linear": "linear"}


def rates(name):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = get_scheduler(name, optimizer, num_warmup_steps=WARMUP, num_training_steps=STEPS)
    found = []
    for _ in range(STEPS):
        found.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return found


fixture = {"made_with": {"torch": torch.__version__, "diffusers": diffusers.__version__}}
fixture |= {key: rates(name) for key, name in NAMES.items()}
OUT.write_text(json.dumps(fixture) + "\n")
