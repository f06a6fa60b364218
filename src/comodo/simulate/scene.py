"""The view of a head-mounted camera: a textured room around the rig, with near furniture, drawn by ray casting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2

from comodo.simulate.trajectory import Array, Trajectory

TEXELS = 128  # side of a texture tile
TEXELS_PER_M = 20.0  # finer than a pixel of the small frames at 2 m
FIELD_OF_VIEW = np.deg2rad(90.0)
_CHUNK = 16  # frames drawn at once: small enough to stay in the processor's cache


@dataclass(frozen=True)
class Family:
    """What scenes of one kind have in common. Colours are RGB in 0…1, lengths in metres."""

    wall: tuple[float, float, float]
    floor: tuple[float, float, float]
    ceiling: tuple[float, float, float]
    grain: tuple[float, float]  # scale of the texture along and up the wall
    contrast: float
    objects: int  # patches per tile of wall: shelves, windows, doors, shop signs
    object_size: float
    room: tuple[float, float]  # smallest half extent, height
    table: float  # chance of a table in front of the rig's start


FAMILIES = {
    "home": Family((0.72, 0.64, 0.55), (0.50, 0.36, 0.25), (0.85, 0.83, 0.80),
                   grain=(0.6, 0.6), contrast=0.10, objects=14, object_size=0.7, room=(2.2, 2.5), table=0.6),
    "kitchen": Family((0.78, 0.78, 0.72), (0.55, 0.52, 0.50), (0.88, 0.88, 0.86),
                      grain=(0.3, 0.9), contrast=0.10, objects=22, object_size=0.5, room=(1.8, 2.5), table=0.8),
    "workshop": Family((0.50, 0.47, 0.42), (0.42, 0.40, 0.38), (0.55, 0.55, 0.52),
                       grain=(0.4, 0.3), contrast=0.18, objects=34, object_size=0.35, room=(3.0, 3.5), table=0.8),
    "street": Family((0.52, 0.52, 0.48), (0.40, 0.40, 0.40), (0.60, 0.72, 0.88),
                     grain=(0.8, 2.0), contrast=0.16, objects=18, object_size=1.2, room=(8.0, 9.0), table=0.05),
    "stairwell": Family((0.66, 0.66, 0.64), (0.46, 0.46, 0.48), (0.70, 0.70, 0.70),
                        grain=(1.5, 0.25), contrast=0.12, objects=6, object_size=0.8, room=(2.4, 4.0), table=0.05),
}  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """One place: packed RGBA textures, and where its surfaces are."""

    textures: NDArray[np.uint32]  # (5 · TEXELS²,): walls across x, walls across y, floor, ceiling, table
    low: Array  # (3,) corner of the room, m
    high: Array
    table: tuple[float, float, float, float] | None  # centre x, y, half side, height


def make_scene(family: Family, trajectory: Trajectory, rng: np.random.Generator) -> Scene:
    """Draw a place of that family, large enough for the trajectory."""
    tint = rng.normal(0, 0.025, 3) + rng.normal(0, 0.06)  # places of one family differ in paint and light
    warmth = np.exp(rng.normal(0, 0.25, 4))
    grain = np.multiply(family.grain, warmth[:2])
    colours = [
        np.add(colour, tint + rng.normal(0, 0.03, 3))
        for colour in (family.wall, family.floor, family.ceiling)
    ]
    contrast = family.contrast * warmth[2]
    count = rng.poisson(family.objects)
    size = family.object_size * warmth[3]
    wood = rng.uniform(0.2, 0.7) * np.array([1.0, 0.8, 0.6])
    textures = [
        _texture(colours[0], grain, contrast, count, size, rng),
        _texture(colours[0], grain, contrast, count, size, rng),
        _texture(colours[1], (0.5, 0.5), contrast, count // 3, size / 2, rng),
        _texture(colours[2], (1.0, 1.0), contrast / 2, count // 4, size, rng),
        _texture(wood, (0.2, 0.2), contrast, 60, 0.2, rng),
    ]
    half, height = np.multiply(family.room, np.exp(rng.normal(0, 0.15, 2)))
    half_xy = half * np.exp(rng.normal(0, 0.2, 2))
    low, high = trajectory.position.min(axis=0) - 0.6, trajectory.position.max(axis=0) + 0.6  # of the motion
    centre = (low + high)[:2] / 2 + rng.normal(0, 0.2, 2)
    low = np.append(np.minimum(low[:2], centre - half_xy), 0.0)
    high = np.append(np.maximum(high[:2], centre + half_xy), max(high[2], height))
    table = None
    if rng.random() < family.table:
        ahead = trajectory.orientation[0].apply((1, 0, 0))[:2] * rng.uniform(0.5, 0.8)
        x, y = trajectory.position[0, :2] + ahead
        table = (float(x), float(y), float(rng.uniform(0.4, 0.7)), float(rng.uniform(0.7, 0.9)))
    return Scene(np.concatenate(textures), low, high, table)


def render(trajectory: Trajectory, scene: Scene, times: Array, size: int) -> NDArray[np.uint8]:
    """Frames (n, size, size, 3) of a square pinhole camera with a 90° field of view at those times (n,) s."""
    position, orientation = trajectory.at(times)
    matrices = orientation.as_matrix().astype(np.float32)
    edge = np.float32(np.tan(FIELD_OF_VIEW / 2))
    offsets = ((np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size / 2) - 1) * edge
    frames = np.empty((len(times), size, size), np.uint32)
    for at in range(0, len(times), _CHUNK):
        chunk = slice(at, at + _CHUNK)
        frames[chunk] = _cast(position[chunk].astype(np.float32), matrices[chunk], offsets, scene)
    return frames.view(np.uint8).reshape(*frames.shape, 4)[..., :3].copy()


def _cast(
    position: NDArray[np.float32], matrices: NDArray[np.float32], offsets: NDArray[np.float32], scene: Scene
) -> NDArray[np.uint32]:
    """Colours (n, size, size) of the nearest surface along each pixel's ray."""
    origin, low, high = (
        position[:, :, None, None],
        scene.low.astype(np.float32),
        scene.high.astype(np.float32),
    )
    ray, reach = [], []
    for axis in range(3):  # ray = forward − left · column − up · row, exact in rows and columns
        across = matrices[:, axis, 0, None] - matrices[:, axis, 1, None] * offsets
        down = matrices[:, axis, 2, None] * offsets
        ray.append(across[:, None, :] - down[:, :, None])
        ray[-1][np.abs(ray[-1]) < 1e-6] = 1e-6
        reach.append((np.where(ray[-1] > 0, high[axis], low[axis]) - origin[:, axis]) / ray[-1])
    distance = np.minimum(np.minimum(reach[0], reach[1]), reach[2])
    across_x, level = distance == reach[0], distance == reach[2]
    surface = np.where(across_x, 0, np.where(level, np.where(ray[2] > 0, 3, 2), 1)).astype(np.int32)
    if scene.table is not None:
        x, y, half, height = (np.float32(value) for value in scene.table)
        down = (height - origin[:, 2]) / ray[2]
        hit = (down > 0) & (down < distance)
        hit &= np.abs(origin[:, 0] + down * ray[0] - x) < half
        hit &= np.abs(origin[:, 1] + down * ray[1] - y) < half
        distance, level = np.where(hit, down, distance), level | hit
        across_x, surface = across_x & ~hit, np.where(hit, np.int32(4), surface)
    u = origin[:, 0] + distance * ray[0]
    v = origin[:, 1] + distance * ray[1]
    w = origin[:, 2] + distance * ray[2]
    u, v = np.where(across_x, v, u), np.where(level, v, w)
    mask = TEXELS - 1
    column = np.floor(u * np.float32(TEXELS_PER_M)).astype(np.int32) & mask
    row = np.floor(v * np.float32(TEXELS_PER_M)).astype(np.int32) & mask
    return scene.textures[(surface * TEXELS + row) * TEXELS + column]


def _texture(
    colour: Array,
    grain: tuple[float, float] | Array,
    contrast: float,
    objects: int,
    size: float,
    rng: np.random.Generator,
) -> NDArray[np.uint32]:
    """A seamless tile (TEXELS²,): smooth noise of that grain (m) with randomly coloured rectangles on it."""
    image = np.empty((TEXELS, TEXELS, 3), np.float32)
    image[:] = colour
    vertical = np.fft.fftfreq(TEXELS, 1 / TEXELS_PER_M)[:, None] * grain[1]
    horizontal = np.fft.rfftfreq(TEXELS, 1 / TEXELS_PER_M)[None] * grain[0]
    spectrum = np.exp(-(vertical**2) - horizontal**2).astype(np.float32)
    spectrum[0, 0] = 0
    for _ in range(2):
        drawn = rng.standard_normal((TEXELS, TEXELS // 2 + 1, 2), dtype=np.float32).view(np.complex64)[..., 0]
        noise = irfft2(spectrum * drawn)
        image += noise[..., None] * (contrast / noise.std() * rng.uniform(0.8, 1.0, 3)).astype(np.float32)
    side = size * TEXELS_PER_M
    for x, y, width, height, shade, *hue in rng.uniform((0, 0, 0.4, 0.4, -1, -1, -1, -1), 1, (objects, 8)):
        paint = np.float32(0.3 * shade + 0.12 * np.array(hue))
        columns = (np.arange(int(width * side) + 1) + int(x * TEXELS)) % TEXELS
        rows = (np.arange(int(height * side) + 1) + int(y * TEXELS)) % TEXELS
        image[np.ix_(rows, columns)] += paint
    packed = np.full((TEXELS, TEXELS, 4), 255, np.uint8)
    packed[..., :3] = np.clip(image, 0, 1) * np.float32(255)
    return packed.view(np.uint32).ravel()
