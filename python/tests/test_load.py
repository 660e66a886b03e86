"""Loading: a model in diffusers predicts what the program predicts. Needs the extra ``diffusers``."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

import cldiff

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
safetensors = pytest.importorskip("safetensors.numpy")


def test_a_model_of_a_run_is_a_pipeline(smoke: cldiff.Run, tmp_path: Path) -> None:
    model = smoke.model("replay-1")
    pipeline = cldiff.load(model)
    assert isinstance(pipeline, diffusers.DiffusionPipeline)
    pipeline.set_progress_bar_config(disable=True)
    classes = pipeline.unet.config.num_class_embeds
    generator = torch.Generator().manual_seed(0)
    images = pipeline(class_labels=list(range(classes)), generator=generator, num_inference_steps=3).images
    assert len(images) == classes and images[0].size == (8, 8)
    same = torch.Generator().manual_seed(0)
    again = pipeline(
        class_labels=list(range(classes)), generator=same, num_inference_steps=3, output_type="np"
    ).images
    assert again.shape == (classes, 8, 8, 1)
    np.testing.assert_array_equal((again[3, :, :, 0] * 255).round(), np.asarray(images[3]))
    assert len(pipeline(batch_size=2, class_labels=1, num_inference_steps=1).images) == 2
    with pytest.raises(ValueError, match="needs class_labels"):
        pipeline()

    x_t = np.random.default_rng(0).standard_normal((3, 1, 8, 8)).astype(np.float32)
    given = {"x_t": x_t, "t": np.array([0, 400, 999]), "y": np.array([1, 5, 9])}
    safetensors.save_file(given, tmp_path / "input.safetensors")
    words = ["--model", model, "--input", tmp_path / "input.safetensors", "--out", tmp_path / "out.safetensors"]
    subprocess.run([cldiff.program(), "predict", *map(str, words), "--backend", "flex"], check=True)
    ours = safetensors.load_file(tmp_path / "out.safetensors")["prediction"]
    with torch.no_grad():
        tensors = {key: torch.from_numpy(value) for key, value in given.items()}
        theirs = pipeline.unet(tensors["x_t"], tensors["t"], class_labels=tensors["y"]).sample.numpy()
    np.testing.assert_allclose(ours, theirs, atol=2e-5 * np.abs(theirs).max())


def test_an_unconditional_model_is_diffusers_own_pipeline(tmp_path: Path) -> None:
    network = diffusers.UNet2DModel(
        sample_size=8, in_channels=3, out_channels=3, layers_per_block=1, block_out_channels=(8, 8), norm_num_groups=4,
        down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"),
    )
    diffusers.DDPMPipeline(unet=network, scheduler=diffusers.DDPMScheduler()).save_pretrained(tmp_path / "pipeline")
    assert type(cldiff.load(tmp_path / "pipeline")) is diffusers.DDPMPipeline


def test_what_is_no_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no model"):
        cldiff.load(tmp_path)
    (tmp_path / "config.json").write_text('{"_class_name": "DiT"}', encoding="utf-8")
    with pytest.raises(ValueError, match="diffusers has no network 'DiT'"):
        cldiff.load(tmp_path)
