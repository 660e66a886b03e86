"""Loads a checkpoint directory of a run in diffusers and draws samples from it.

    python tools/parity/load_in_diffusers.py runs/glyphs/cells/joint-0/checkpoints/after-task-5 samples.png

Needs torch, diffusers and Pillow. Shows that what cldiff writes is what diffusers reads: `from_pretrained` refuses
missing or extra keys with a warning, which is turned into an error here.
"""

import sys

import torch
from diffusers import DDIMScheduler, UNet2DModel
from PIL import Image

model, info = UNet2DModel.from_pretrained(sys.argv[1], output_loading_info=True)
problems = {key: value for key, value in info.items() if value}
assert not problems, problems
scheduler = DDIMScheduler(1000, 1e-4, 0.02, "linear", clip_sample=True)
scheduler.set_timesteps(50)
classes = model.config.num_class_embeds
y = torch.arange(classes).repeat_interleave(8) if classes else None
count = 8 * (classes or 1)
torch.manual_seed(0)
size = model.config.sample_size
height, width = (size, size) if isinstance(size, int) else size
x = torch.randn(count, model.config.in_channels, height, width)
with torch.no_grad():
    for t in scheduler.timesteps:
        x = scheduler.step(model(x, t, class_labels=y).sample, t, x).prev_sample
pixels = ((x[:, 0].clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
grid = pixels.reshape(-1, 8, height, width).permute(0, 2, 1, 3).reshape(-1, 8 * width)
Image.fromarray(grid.numpy()).save(sys.argv[2])
print(f"loaded {sum(p.numel() for p in model.parameters())} parameters, drew {count} samples")
