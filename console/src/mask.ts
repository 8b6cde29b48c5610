// A mask that is painted: strokes and whole-area steps on a canvas of the image's own pixels, with undo and redo.
// Painted pixels are opaque while it is edited; the file for the API is white where the model should repaint.

import { signal } from '@preact/signals';
import { blankCanvas, context2d, encode } from './pictures';

export interface Point {
  x: number;
  y: number;
}

export type Step =
  | { kind: 'brush' | 'eraser'; size: number; points: Point[] }
  | { kind: 'invert' | 'clear' };

const UNDO_STEPS = 30;
const HALF_OPAQUE = 127;

export class Mask {
  readonly canvas: HTMLCanvasElement;
  readonly canUndo = signal(false);
  readonly canRedo = signal(false);
  private readonly start: HTMLCanvasElement;
  private steps: Step[] = [];
  private undone: Step[] = [];

  constructor(
    readonly width: number,
    readonly height: number,
    readonly color: string,
  ) {
    this.canvas = blankCanvas(width, height);
    // Its pixels are read for each request.
    this.canvas.getContext('2d', { willReadFrequently: true });
    this.start = blankCanvas(width, height);
  }

  add(step: Step): void {
    this.steps.push(step);
    this.undone = [];
    if (this.steps.length > UNDO_STEPS) {
      const first = this.steps.shift();
      if (first !== undefined) this.apply(first, this.start);
    }
    this.apply(step, this.canvas);
    this.count();
  }

  /** Continues the stroke that was added last. */
  extend(to: Point): void {
    const stroke = this.steps.at(-1);
    if (stroke === undefined || !('points' in stroke)) return;
    const from = stroke.points.at(-1) ?? to;
    stroke.points.push(to);
    this.apply({ ...stroke, points: [from, to] }, this.canvas);
  }

  undo(): void {
    const step = this.steps.pop();
    if (step !== undefined) this.undone.push(step);
    this.repaint();
  }

  redo(): void {
    const step = this.undone.pop();
    if (step !== undefined) this.steps.push(step);
    this.repaint();
  }

  /** The mask as a PNG of black and white pixels only; null if nothing is painted. */
  async file(): Promise<Blob | null> {
    const pixels = context2d(this.canvas).getImageData(0, 0, this.width, this.height);
    const { data } = pixels;
    let isEmpty = true;
    for (let index = 0; index < data.length; index += 4) {
      const value = (data[index + 3] ?? 0) > HALF_OPAQUE ? 255 : 0;
      isEmpty &&= value === 0;
      data.set([value, value, value, 255], index);
    }
    if (isEmpty) return null;
    const canvas = blankCanvas(this.width, this.height);
    context2d(canvas).putImageData(pixels, 0, 0);
    return encode(canvas, 'image/png');
  }

  /** Begins with the mask in a file that `file` made. */
  async load(file: Blob): Promise<void> {
    const bitmap = await createImageBitmap(file);
    const context = context2d(this.start);
    context.drawImage(bitmap, 0, 0, this.width, this.height);
    bitmap.close();
    const pixels = context.getImageData(0, 0, this.width, this.height);
    for (let index = 0; index < pixels.data.length; index += 4) pixels.data[index + 3] = pixels.data[index] ?? 0;
    context.putImageData(pixels, 0, 0);
    context.globalCompositeOperation = 'source-in';
    context.fillStyle = this.color;
    context.fillRect(0, 0, this.width, this.height);
    context.globalCompositeOperation = 'source-over';
    this.repaint();
  }

  private count(): void {
    this.canUndo.value = this.steps.length > 0;
    this.canRedo.value = this.undone.length > 0;
  }

  private repaint(): void {
    const context = context2d(this.canvas);
    context.clearRect(0, 0, this.width, this.height);
    context.drawImage(this.start, 0, 0);
    for (const step of this.steps) this.apply(step, this.canvas);
    this.count();
  }

  private apply(step: Step, canvas: HTMLCanvasElement): void {
    const context = context2d(canvas);
    context.save();
    context.fillStyle = this.color;
    context.strokeStyle = this.color;
    if (step.kind === 'clear') {
      context.clearRect(0, 0, this.width, this.height);
    } else if (step.kind === 'invert') {
      context.globalCompositeOperation = 'xor';
      context.fillRect(0, 0, this.width, this.height);
    } else if ('points' in step) {
      if (step.kind === 'eraser') context.globalCompositeOperation = 'destination-out';
      context.lineCap = context.lineJoin = 'round';
      context.lineWidth = step.size;
      context.beginPath();
      // A line of no length is a dot, by the round cap.
      const [first] = step.points;
      if (first !== undefined) context.moveTo(first.x, first.y);
      for (const point of step.points) context.lineTo(point.x, point.y);
      context.stroke();
    }
    context.restore();
  }
}
