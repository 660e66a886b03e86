"""``cldiff.load``: a model that the program wrote, as a pipeline of diffusers."""

import json
import os
from pathlib import Path
from typing import Any

_NETWORKS = ("unet", "network", ".")
_OWN_PIPELINES = {"DDPMScheduler": "DDPMPipeline", "DDIMScheduler": "DDIMPipeline"}


def load(model: str | os.PathLike[str]) -> Any:
    """Opens a model as a ``diffusers.DiffusionPipeline``.

    Args:
        model: a directory of a run's ``checkpoints`` (:meth:`cldiff.Run.model`), or one that ``cldiff export`` or
            diffusers' ``save_pretrained`` wrote.

    Returns:
        diffusers' own ``DDPMPipeline`` or ``DDIMPipeline`` for a network without classes, and else a pipeline that takes
        ``class_labels``: ``pipeline(batch_size=10, class_labels=list(range(10))).images``.

    Raises:
        ImportError: without diffusers and PyTorch (``pip install cldiff[diffusers]``).
        FileNotFoundError: if there is no model in the directory.
        ValueError: for a network that diffusers does not have.
    """
    try:
        import diffusers
    except ImportError as error:
        raise ImportError("cldiff.load needs diffusers and PyTorch: pip install cldiff[diffusers]") from error
    root = Path(model)
    network_dir = next((root / name for name in _NETWORKS if (root / name / "config.json").is_file()), None)
    if network_dir is None:
        raise FileNotFoundError(f"{root} holds no model: neither config.json nor unet/config.json")
    network = _network(diffusers, network_dir)
    scheduler = _scheduler(diffusers, root)
    own = _OWN_PIPELINES.get(type(scheduler).__name__)
    if own is not None and isinstance(network, diffusers.UNet2DModel) and not takes_classes(network):
        return getattr(diffusers, own)(unet=network, scheduler=scheduler)
    from ._pipeline import ClassConditionalPipeline

    return ClassConditionalPipeline(network, scheduler)


def takes_classes(network: Any) -> bool:
    """Whether a network wants class labels."""
    config = network.config
    return any(config.get(key) is not None for key in ("num_class_embeds", "class_embed_type", "num_embeds_ada_norm"))


def _network(diffusers: Any, directory: Path) -> Any:
    name = json.loads((directory / "config.json").read_text(encoding="utf-8")).get("_class_name", "UNet2DModel")
    if name not in ("UNet2DModel", "DiTTransformer2DModel"):
        raise ValueError(f"{directory}: diffusers has no network {name!r}; `cldiff sample` draws from it")
    return getattr(diffusers, name).from_pretrained(directory, local_files_only=True).eval()


def _scheduler(diffusers: Any, root: Path) -> Any:
    places = [root / "scheduler", root]
    place = next((place for place in places if (place / "scheduler_config.json").is_file()), None)
    if place is None:
        raise FileNotFoundError(f"{root} holds no scheduler_config.json, here or in scheduler/")
    file = place / "scheduler_config.json"
    name = json.loads(file.read_text(encoding="utf-8")).get("_class_name", "DDPMScheduler")
    scheduler = getattr(diffusers, str(name), None)
    if scheduler is None:
        raise ValueError(f"{file}: diffusers has no scheduler {name!r}")
    return scheduler.from_pretrained(place, local_files_only=True)
