"""Sampling from a network that takes classes: diffusers has no pipeline of pixels for one.

Needs diffusers and PyTorch; imported by :func:`cldiff.load` alone.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from diffusers import DiffusionPipeline, ImagePipelineOutput

from ._load import takes_classes


class ClassConditionalPipeline(DiffusionPipeline):  # type: ignore[misc]
    """Ancestral or other sampling by the model's scheduler, for a UNet or DiT with or without classes."""

    def __init__(self, unet: Any, scheduler: Any) -> None:
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler)

    def __call__(
        self,
        batch_size: int = 1,
        class_labels: Sequence[int] | torch.Tensor | int | None = None,
        generator: torch.Generator | None = None,
        num_inference_steps: int | None = None,
        output_type: str = "pil",
    ) -> ImagePipelineOutput:
        """Draws images.

        Args:
            batch_size: how many; with several class labels, as many as these.
            class_labels: one class for all, or one for each image; needed by a network with classes.
            generator: the source of all noise.
            num_inference_steps: timesteps that are visited; all of them by default.
            output_type: ``"pil"`` for images, else a numpy array N x H x W x C in [0, 1].

        Raises:
            ValueError: if classes are missing, or are given to a network that takes none.
        """
        labels = self._labels(class_labels, batch_size)
        config, device = self.unet.config, self.unet.device
        size = config.sample_size
        height, width = (size, size) if isinstance(size, int) else size
        count = batch_size if labels is None else len(labels)
        source = device if generator is None else generator.device
        x = torch.randn((count, config.in_channels, height, width), generator=generator, device=source).to(device)
        self.scheduler.set_timesteps(num_inference_steps or self.scheduler.config.num_train_timesteps)
        x = x * getattr(self.scheduler, "init_noise_sigma", 1.0)
        more = {} if generator is None or not self._takes_generator() else {"generator": generator}
        with torch.no_grad():
            for t in self.progress_bar(self.scheduler.timesteps):
                predicted = self._prediction(self.scheduler.scale_model_input(x, t), t, labels)
                x = self.scheduler.step(predicted, t, x, **more).prev_sample
        images = (x / 2 + 0.5).clamp(0, 1).cpu().permute(0, 2, 3, 1).float().numpy()
        return ImagePipelineOutput(images=self.numpy_to_pil(images) if output_type == "pil" else images)

    def _labels(self, labels: Any, batch_size: int) -> torch.Tensor | None:
        if not takes_classes(self.unet):
            if labels is not None:
                raise ValueError("this network takes no class_labels")
            return None
        if labels is None:
            raise ValueError("this network needs class_labels")
        labels = torch.as_tensor(labels, dtype=torch.long, device=self.unet.device)
        return labels.expand(batch_size) if labels.ndim == 0 else labels

    def _takes_generator(self) -> bool:
        return "generator" in inspect.signature(self.scheduler.step).parameters

    def _prediction(self, x: torch.Tensor, t: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        times = t.expand(len(x)).to(x.device)
        predicted: torch.Tensor = self.unet(x, times, class_labels=labels).sample
        learned = str(self.scheduler.config.get("variance_type", "")).startswith("learned")
        # A network that learns the variance has as many channels again, which only some schedulers take.
        return predicted if learned or predicted.shape[1] == x.shape[1] else predicted[:, : x.shape[1]]
