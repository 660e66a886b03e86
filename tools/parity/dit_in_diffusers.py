"""Loads DiTs that cldiff wrote into diffusers' `DiTTransformer2DModel` and compares predictions.

    cargo test -p ddpm-core --test parity_dit_diffusers
    python tools/parity/dit_in_diffusers.py target/tmp/dit_in_diffusers/*

Needs torch, diffusers and safetensors. Each directory holds `config.json`, `diffusion_pytorch_model.safetensors` and
`predictions.safetensors` with `x_t`, `t`, `y` and `prediction`; the last can also be given as `DIRECTORY=FILE`. Missing
or extra tensors, and keys of the configuration that the class has not, are errors. Exit status 1 if a prediction is off
by more than 1e-5 of the largest number. (Seen: 6.5e-6, under parameters ten times those of a new network; 9e-7 where
PyTorch's f32 exponential, off by an ulp at one frequency, is replaced by the f64 one.)
"""

import inspect
import json
import sys
from pathlib import Path

import torch
from diffusers import DiTTransformer2DModel
from safetensors.torch import load_file

BOUND = 1e-5


def difference(directory: Path, predictions: Path) -> float:
    """In units of the largest number of the prediction."""
    keys = {key for key in json.loads((directory / "config.json").read_text()) if not key.startswith("_")}
    assert keys == set(inspect.signature(DiTTransformer2DModel.__init__).parameters) - {"self"}, keys
    model, info = DiTTransformer2DModel.from_pretrained(directory, output_loading_info=True)
    problems = {key: value for key, value in info.items() if value}
    assert not problems, problems
    written = load_file(directory / "diffusion_pytorch_model.safetensors")
    state = model.state_dict()
    assert written.keys() == state.keys() and all(torch.equal(state[name], written[name]) for name in written)
    given = load_file(predictions)
    with torch.no_grad():
        theirs = model.eval()(given["x_t"], given["t"].long(), class_labels=given["y"].long()).sample
    return ((theirs - given["prediction"]).abs().max() / theirs.abs().max()).item()


def main(arguments: list[str]) -> None:
    agree = True
    for argument in arguments:
        directory, _, file = argument.partition("=")
        off = difference(Path(directory), Path(file or Path(directory) / "predictions.safetensors"))
        agree &= off <= BOUND
        print(f"{directory}: off by {off:.1e} of the largest number (bound {BOUND:.0e})")
    sys.exit(not agree)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
