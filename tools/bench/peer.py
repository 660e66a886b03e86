"""The work of `cldiff bench` done by PyTorch and diffusers, for `cargo xtask bench --peer PYTHON`.

One process measures one workload in one mode and prints one JSON object a line, `{"what", "value", "unit"}`: the same
quantities, in the same units and in the same order, as `cldiff bench` prints. Needs torch, diffusers and numpy.
"""

import time

STARTED = time.time()

import argparse
import json
import resource

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--workload", required=True, choices=["mnist-small", "fmnist-medium", "cifar-ddpm"])
FORMS, PRECISIONS = ["eager", "channels_last", "compile"], ["f32", "tf32", "bf16"]
MODES = FORMS + [f"{form}+{precision}" for form in FORMS for precision in PRECISIONS]
parser.add_argument("--mode", default="eager", choices=MODES, help="compile is channels_last too on a GPU")
parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
parser.add_argument("--threads", type=int, default=0, help="0: one for each core")
parser.add_argument("--steps", type=int, default=5, help="timed repetitions of each measurement")
parser.add_argument("--what", default="train,forward", help="of train, forward, sample")
parser.add_argument("--started", type=float, default=STARTED, help="when the process was started (seconds since 1970)")
arguments = parser.parse_args()

import torch
from diffusers import DDIMScheduler, UNet2DModel

if arguments.threads:
    torch.set_num_threads(arguments.threads)
torch.manual_seed(0)
form, _, precision = arguments.mode.partition("+")
on_gpu = arguments.device == "cuda"
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision in ("tf32", "bf16")
torch.backends.cudnn.benchmark = True
torch.set_default_device(arguments.device)
channels_last = form == "channels_last" or (form == "compile" and on_gpu)


def computing():
    """bf16 in the network, f32 in the weights, the loss and the optimiser."""
    return torch.autocast(arguments.device, torch.bfloat16, enabled=precision == "bf16")


def finished():
    if on_gpu:
        torch.cuda.synchronize()

WORKLOADS = {
    "mnist-small": dict(
        batch=64, size=28, channels=1, block_out_channels=[32, 64, 64], attention=[False, False, True], layers=1,
        groups=8, head_dim=8, classes=10,
    ),
    "fmnist-medium": dict(
        batch=64, size=32, channels=1, block_out_channels=[64, 128, 256, 512],
        attention=[False, False, False, True], layers=1, groups=32, head_dim=8, classes=10,
    ),
    "cifar-ddpm": dict(
        batch=128 if on_gpu else 16, size=32, channels=3, block_out_channels=[128, 256, 256, 256],
        attention=[False, True, False, False], layers=2, groups=32, head_dim=None, classes=None,
    ),
}
workload = WORKLOADS[arguments.workload]
model = UNet2DModel(
    sample_size=workload["size"],
    in_channels=workload["channels"],
    out_channels=workload["channels"],
    down_block_types=["AttnDownBlock2D" if a else "DownBlock2D" for a in workload["attention"]],
    up_block_types=["AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(workload["attention"])],
    block_out_channels=workload["block_out_channels"],
    layers_per_block=workload["layers"],
    norm_num_groups=workload["groups"],
    attention_head_dim=workload["head_dim"],
    num_class_embeds=workload["classes"],
)
shape = (workload["batch"], workload["channels"], workload["size"], workload["size"])
images, noise = torch.rand(shape) * 2 - 1, torch.randn(shape)
if channels_last:
    model = model.to(memory_format=torch.channels_last)
    images = images.to(memory_format=torch.channels_last)
    noise = noise.to(memory_format=torch.channels_last)
labels = torch.randint(0, 10, (workload["batch"],)) if workload["classes"] else None
alphas_cumprod = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), 0)
denoise = torch.compile(model) if form == "compile" else model
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-4, weight_decay=0.0, fused=True)
average = [p.detach().clone() for p in model.parameters()]


def report(what, value, unit):
    print(json.dumps({"what": what, "value": value, "unit": unit}), flush=True)


def train_step():
    t = torch.randint(0, 1000, (workload["batch"],))
    a = alphas_cumprod[t].view(-1, 1, 1, 1)
    x_t = a.sqrt() * images + (1 - a).sqrt() * noise
    with computing():
        predicted = denoise(x_t, t, class_labels=labels).sample
    loss = torch.nn.functional.mse_loss(predicted.float(), noise)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    with torch.no_grad():
        torch._foreach_lerp_(average, list(model.parameters()), 1e-4)
    # A CPU has computed it by now; a GPU need not be waited for.
    return loss


def median_seconds(body):
    """Seconds a call; on a GPU several calls are timed together, since they are not waited for one by one."""
    times, calls = [], 10 if on_gpu else 1
    for _ in range(arguments.steps):
        finished()
        start = time.perf_counter()
        for _ in range(calls):
            body()
        finished()
        times.append((time.perf_counter() - start) / calls)
    return sorted(times)[len(times) // 2]


wanted = arguments.what.split(",")
if "train" in wanted:
    train_step()
    finished()
    report("first_step", time.time() - arguments.started, "s")
    train_step()
    report("train", workload["batch"] / median_seconds(train_step), "images/s")
    bytes_on_gpu = torch.cuda.max_memory_reserved() if on_gpu else 0
    peak = bytes_on_gpu / 2**20 if on_gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    report("peak_memory", peak, "MiB")
if "forward" in wanted:
    t = torch.full((workload["batch"],), 500)
    with torch.no_grad(), computing():
        forward = lambda: denoise(images, t, class_labels=labels).sample
        forward()
        report("forward", workload["batch"] / median_seconds(forward), "images/s")
if "sample" in wanted:
    scheduler = DDIMScheduler(num_train_timesteps=1000, clip_sample=True)
    scheduler.set_timesteps(50)
    labels_64 = torch.arange(64) % 10 if labels is not None else None
    with torch.no_grad(), computing():
        # The first pass at this batch size compiles and allocates.
        x = torch.randn((64, *shape[1:]))
        if channels_last:
            x = x.to(memory_format=torch.channels_last)
        denoise(x, torch.tensor(500), class_labels=labels_64)
        finished()
        start = time.perf_counter()
        for t in scheduler.timesteps:
            x = scheduler.step(denoise(x, t, class_labels=labels_64).sample, t, x).prev_sample
        finished()
        report("sample", 64 / (time.perf_counter() - start), "images/s")
