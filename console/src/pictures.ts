// Pixels: fitting an image to what the model takes, thumbnails, and smaller copies.

import type { Presets } from './api';

export interface Fitted {
  image: Blob;
  width: number;
  height: number;
  /** The original, and the part of it that is used, as fractions of its sides. */
  original: Blob;
  crop: { left: number; top: number; width: number; height: number };
}

const THUMBNAIL_PIXELS = 480;
// From hardly visible to plainly visible; the first that fits is used.
const JPEG_QUALITIES = [0.92, 0.85, 0.75, 0.6, 0.4];
const TAKEN_TYPES = ['image/png', 'image/jpeg', 'image/webp'];

/** Scales and crops `original` in its middle to sides and an area that the model takes. Rejects what is no image. */
export async function fit(original: Blob, { limits }: Presets): Promise<Fitted> {
  const bitmap = await createImageBitmap(original);
  const { width, height, cut } = fittedSize(bitmap.width, bitmap.height, limits);
  const crop = {
    left: cut.x / bitmap.width,
    top: cut.y / bitmap.height,
    width: cut.width / bitmap.width,
    height: cut.height / bitmap.height,
  };
  const isSame = bitmap.width === width && bitmap.height === height && TAKEN_TYPES.includes(original.type);
  if (isSame && original.size <= limits.image_bytes) {
    bitmap.close();
    return { image: original, width, height, original, crop };
  }
  const canvas = blankCanvas(width, height);
  const context = context2d(canvas);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, cut.x, cut.y, cut.width, cut.height, 0, 0, width, height);
  bitmap.close();
  const png = await encode(canvas, 'image/png');
  const image = png.size <= limits.image_bytes ? png : await smaller(png, limits.image_bytes);
  return { image, width, height, original, crop };
}

/** The size that the model gets, and the part of the original that fills it. */
export function fittedSize(width: number, height: number, limits: Presets['limits']) {
  const multiple = limits.side_multiple_pixels;
  const isTaken = (side: number) => side % multiple === 0 && side >= limits.side_minimum_pixels;
  if (isTaken(width) && isTaken(height) && width * height <= limits.pixels && width * height >= limits.pixels / 4) {
    return { width, height, cut: { x: 0, y: 0, width, height } };
  }
  // The model is at home near its whole area: smaller images are enlarged to it.
  const scale = Math.sqrt(limits.pixels / (width * height));
  const side = (length: number) =>
    Math.max(limits.side_minimum_pixels, Math.floor((length * scale) / multiple) * multiple);
  let [wide, high] = [side(width), side(height)];
  // A very long image: its short side is at the minimum, so that its long side has to give way.
  while (wide * high > limits.pixels) {
    if (wide > high) wide -= multiple;
    else high -= multiple;
  }
  const cover = Math.min(width / wide, height / high);
  const cut = { width: wide * cover, height: high * cover };
  return { width: wide, height: high, cut: { x: (width - cut.width) / 2, y: (height - cut.height) / 2, ...cut } };
}

/** `image` as a JPEG of at most `bytes`, or as near as can be. */
export async function smaller(image: Blob, bytes: number): Promise<Blob> {
  const canvas = await drawn(image, Infinity);
  let found = image;
  for (const quality of JPEG_QUALITIES) {
    found = await encode(canvas, 'image/jpeg', quality);
    if (found.size <= bytes) break;
  }
  return found;
}

export async function thumbnail(image: Blob): Promise<Blob> {
  return encode(await drawn(image, THUMBNAIL_PIXELS), 'image/webp', 0.82);
}

async function drawn(image: Blob, shortSide: number): Promise<HTMLCanvasElement> {
  const bitmap = await createImageBitmap(image);
  const scale = Math.min(1, shortSide / Math.min(bitmap.width, bitmap.height));
  const canvas = blankCanvas(Math.round(bitmap.width * scale), Math.round(bitmap.height * scale));
  const context = context2d(canvas);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas;
}

export function blankCanvas(width: number, height: number): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

export function context2d(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('This browser has no canvas.');
  return context;
}

export function encode(canvas: HTMLCanvasElement, type: string, quality?: number): Promise<Blob> {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('No memory for the image.'))), type, quality);
  });
}
