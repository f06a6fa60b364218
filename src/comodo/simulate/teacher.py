"""A small video model with random weights, optionally pretrained on a simulated world of its own."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from comodo.clips.windows import frame_indices
from comodo.config import SimulateSettings, TeacherSettings
from comodo.errors import ConfigError
from comodo.jobs.log import end_with
from comodo.models.teacher_files import MADE_FILE
from comodo.simulate.dataset import Take, film, stage, takes
from comodo.storage.artefacts import write_sums
from comodo.storage.files import atomic

if TYPE_CHECKING:
    from torch import Generator, Tensor
    from transformers import PreTrainedModel

STREAM = 1  # of simulated subjects and places: none that `write_dataset` uses, even with the same seed
MEAN = STD = 0.5  # of the image processor that is saved with the weights
WEIGHT_DECAY = 0.05
TEMPERATURE = 0.2  # of the cosine classifier
SMOOTHING = 0.1  # of the labels
RELIGHT = 0.08  # standard deviation of random changes of exposure; half of it per colour


def pretrain_teacher(settings: TeacherSettings, folder: Path, fps: float = 10.0, workers: int = 1) -> None:
    """Write a `from_pretrained` folder of a video model: config, weights and image processor.

    The weights are random, or, with `settings.pretraining`, trained to name the activity in clips of a simulated world.

    Args:
        settings: architecture, seed and pretraining.
        folder: receives config.json, model.safetensors, preprocessor_config.json; replaced as a whole.
        fps: frame rate of the clips that the model is to encode.
        workers: processes that render the world.

    Raises:
        ValueError: the architecture and its config do not fit each other or the world.
    """
    clips = labels = None
    if settings.pretraining is not None:
        clips, labels = render_clips(settings, fps, "train", workers)  # forks, so before torch has threads
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = _fresh(settings)
        if clips is not None and labels is not None:
            _train(model, clips, labels, settings)
    side = int(model.config.image_size)
    with atomic(folder) as temporary:
        model.save_pretrained(temporary)
        _processor(side).save_pretrained(temporary)
        (temporary / MADE_FILE).write_text(settings.made_by() + "\n")
        write_sums(temporary)


def render_clips(
    settings: TeacherSettings, fps: float, split: str, workers: int = 1
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Clips (n, frames, size, size, 3) of the pretraining world's split, and their label ids (n,).

    Only the frames that the model takes from a clip are drawn.
    """
    pretraining = settings.pretraining
    if pretraining is None:
        raise ConfigError("teachers.*.pretraining: missing, so there is no world to render")
    world = [take for take in takes(pretraining.world, STREAM) if take.split == split]
    n_frames = int(
        settings.architecture_config.get("num_frames", 16 if settings.architecture == "videomae" else 8)
    )
    per_clip = round(pretraining.clip_s * fps)
    windows = int(pretraining.world.duration_s / pretraining.clip_s)
    if windows == 0:
        raise ConfigError("teachers.*.pretraining: world.duration_s is shorter than clip_s")
    within = np.array(frame_indices(per_clip, n_frames)) / fps
    times = np.concatenate([i * pretraining.clip_s + within for i in range(windows)])
    draw = partial(_draw, world=pretraining.world, times=times)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork"), end_with, (os.getpid(),)) as pool:
        done = pool.map(draw, world, chunksize=8)
        drawn = list(tqdm(done, total=len(world), desc="render", unit="recording"))
    size = pretraining.world.size
    clips = np.stack(drawn).reshape(len(world) * windows, n_frames, size, size, 3)
    return clips, np.repeat(np.array([take.label_id for take in world]), windows)


def _draw(take: Take, world: SimulateSettings, times: NDArray[np.float64]) -> NDArray[np.uint8]:
    _, trajectory, rng = stage(take, world)
    return film(take, world, trajectory, times, rng)


def _fresh(settings: TeacherSettings) -> PreTrainedModel:
    from transformers import TimesformerConfig, TimesformerModel, VideoMAEConfig, VideoMAEModel

    if settings.architecture == "videomae":
        model = VideoMAEModel(VideoMAEConfig(**settings.architecture_config))
    elif settings.architecture == "timesformer":
        model = TimesformerModel(TimesformerConfig(**settings.architecture_config))
    else:
        raise ConfigError("teachers.*.architecture: missing; fresh weights need a family")
    return model  # type: ignore[no-any-return]


def _train(
    model: PreTrainedModel, clips: NDArray[np.uint8], labels: NDArray[np.int64], settings: TeacherSettings
) -> float:
    """AdamW, one cycle, on a cosine classifier over the pooled output, so that its direction encodes the class.

    Returns the last epoch's mean loss.
    """
    import torch
    from torch.nn.functional import cross_entropy, normalize

    from comodo.models.teacher_families import FAMILIES

    pretraining = settings.pretraining
    assert pretraining is not None
    pixels, target = torch.from_numpy(clips), torch.from_numpy(labels)
    generator = torch.Generator().manual_seed(settings.seed)
    classifier = torch.nn.Parameter(torch.randn(int(target.max()) + 1, int(model.config.hidden_size)))
    parameters = [*model.parameters(), classifier]
    optimizer = torch.optim.AdamW(parameters, lr=pretraining.learning_rate, weight_decay=WEIGHT_DECAY)
    batches = max(1, len(pixels) // pretraining.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, pretraining.learning_rate, total_steps=pretraining.epochs * batches
    )
    embed = FAMILIES[model.config.model_type].embed  # as when encoding
    model.train()
    progress = tqdm(range(pretraining.epochs), desc="pretrain", unit="epoch")
    for _ in progress:
        losses = []
        order = torch.randperm(len(pixels), generator=generator)
        for batch in order[: batches * pretraining.batch_size].view(batches, -1):
            x = _augment(pixels[batch], int(model.config.image_size), generator)
            logits = normalize(embed(model, x), dim=1) @ normalize(classifier, dim=1).T / TEMPERATURE
            loss = cross_entropy(logits, target[batch], label_smoothing=SMOOTHING)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        progress.set_postfix(loss=f"{np.mean(losses):.3f}")
    model.eval()
    return float(np.mean(losses))


def _augment(clips: Tensor, side: int, generator: Generator) -> Tensor:
    """Normalised pixels (B, T, 3, side, side) of uint8 clips (B, T, H, W, 3), mirrored, shifted and relit at random."""
    import torch
    from torch.nn.functional import interpolate, pad

    x = clips.permute(0, 1, 4, 2, 3).float() / 255
    if x.shape[-1] != side:
        flat = interpolate(
            x.flatten(0, 1), (side, side), mode="bilinear", antialias=True, align_corners=False
        )
        x = flat.view(*x.shape[:3], side, side)
    b = len(x)
    mirrored = torch.rand(b, generator=generator) < 0.5
    x = torch.where(mirrored[:, None, None, None, None], x.flip(-1), x)
    gain = 1 + RELIGHT * torch.randn(b, 1, 1, 1, 1, generator=generator)
    x = (x * gain + RELIGHT / 2 * torch.randn(b, 1, 3, 1, 1, generator=generator)).clamp(0, 1)
    margin = side // 12
    dy, dx = torch.randint(0, 2 * margin + 1, (2,), generator=generator).tolist()
    x = pad(x.flatten(0, 1), (margin,) * 4, mode="replicate")[..., dy : dy + side, dx : dx + side]
    return (x.view(b, -1, 3, side, side) - MEAN) / STD


def _processor(side: int) -> Any:
    from transformers.models.videomae.image_processing_pil_videomae import VideoMAEImageProcessorPil

    return VideoMAEImageProcessorPil(
        image_mean=[MEAN] * 3,
        image_std=[STD] * 3,
        size={"shortest_edge": side},
        crop_size={"height": side, "width": side},
    )
