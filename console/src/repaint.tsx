// Repaint a part: a mask is painted over an image, by pointer or by keyboard, with zoom and pan.

import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { presets } from './api';
import { type ImageRecord, filesOf } from './history';
import { Cross } from './icons';
import { Mask, type Point } from './mask';
import { create } from './runs';
import { bounds } from './settings';
import { repainted } from './studio';
import { texts } from './texts';

const words = texts.repaint;
const SIZES = { least: 8, most: 400, initial: 80, factor: 1.25 };
const ZOOM = { least: 1, most: 8, factor: 1.25 };
const KEYBOARD_STEP = 16;
const MASK_COLOR = '#e5484d';

// The mask of each image that was repainted since the page was opened, for the next try.
const masks = new Map<string, Mask>();

export function Repaint() {
  const target = repainted.value;
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (target !== null) dialog.current?.showModal();
    else dialog.current?.close();
  }, [target]);
  return (
    <dialog
      ref={dialog}
      class="repaint"
      aria-labelledby="repaint-heading"
      onClose={() => (repainted.value = null)}
    >
      {target !== null && <Editor key={target.record.id} {...target} close={() => dialog.current?.close()} />}
    </dialog>
  );
}

interface View {
  zoom: number;
  x: number;
  y: number;
}

function Editor({ record, image, close }: { record: ImageRecord; image: Blob; close: () => void }) {
  const all = presets.value;
  const { width, height } = record.settings;
  const holder = useRef<HTMLDivElement>(null);
  const area = useRef<HTMLDivElement>(null);
  const mask = useRef(masks.get(record.id) ?? new Mask(width, height, MASK_COLOR));
  const tool = useSignal<'brush' | 'eraser'>('brush');
  const brush = useSignal(SIZES.initial);
  const view = useSignal<View>({ zoom: 1, x: 0, y: 0 });
  const cursor = useSignal<Point | null>(null);
  const problem = useSignal('');
  const prompt = useSignal(record.settings.prompt);
  const strength = useSignal(record.settings.image_strength);
  const pointers = useRef(new Map<number, Point>());
  const isSpaceDown = useRef(false);
  const url = useSignal('');

  useEffect(() => {
    const made = URL.createObjectURL(image);
    url.value = made;
    area.current?.append(mask.current.canvas);
    if (!masks.has(record.id)) void loadEarlierMask(record, mask.current);
    masks.set(record.id, mask.current);
    return () => URL.revokeObjectURL(made);
  }, []);

  const act = (change: () => void) => {
    change();
    problem.value = '';
  };
  const resize = (factor: number) =>
    (brush.value = Math.round(Math.min(SIZES.most, Math.max(SIZES.least, brush.value * factor))));

  /** A place on the screen as a pixel of the image. */
  const at = (place: Point): Point => {
    const box = area.current?.getBoundingClientRect() ?? new DOMRect();
    return { x: ((place.x - box.left) / box.width) * width, y: ((place.y - box.top) / box.height) * height };
  };
  const zoomAt = (factor: number, place?: Point) => {
    const box = holder.current?.getBoundingClientRect() ?? new DOMRect();
    const old = view.value;
    const zoom = Math.min(ZOOM.most, Math.max(ZOOM.least, old.zoom * factor));
    const center = { x: box.left + box.width / 2, y: box.top + box.height / 2 };
    const from = { x: (place ?? center).x - center.x, y: (place ?? center).y - center.y };
    const grown = zoom / old.zoom;
    view.value =
      zoom === 1
        ? { zoom, x: 0, y: 0 }
        : { zoom, x: from.x - (from.x - old.x) * grown, y: from.y - (from.y - old.y) * grown };
  };
  const pan = (x: number, y: number) => (view.value = { ...view.value, x: view.value.x + x, y: view.value.y + y });

  const down = (event: PointerEvent) => {
    event.preventDefault();
    holder.current?.focus({ preventScroll: true });
    holder.current?.setPointerCapture(event.pointerId);
    pointers.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (pointers.current.size === 2) {
      // The second finger makes a gesture of what began as a stroke.
      act(() => mask.current.undo());
    } else if (pointers.current.size === 1 && event.button === 0 && !isSpaceDown.current) {
      const point = at({ x: event.clientX, y: event.clientY });
      act(() => mask.current.add({ kind: tool.value, size: brush.value, points: [point] }));
    }
  };
  const move = (event: PointerEvent) => {
    const place = { x: event.clientX, y: event.clientY };
    if (event.pointerType !== 'touch') cursor.value = at(place);
    const last = pointers.current.get(event.pointerId);
    if (last === undefined) return;
    const others = [...pointers.current].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    pointers.current.set(event.pointerId, place);
    const [other] = others;
    if (other !== undefined) {
      const length = (a: Point, b: Point) => Math.hypot(a.x - b.x, a.y - b.y);
      pan((place.x - last.x) / 2, (place.y - last.y) / 2);
      const middle = { x: (place.x + other.x) / 2, y: (place.y + other.y) / 2 };
      zoomAt(length(place, other) / Math.max(1, length(last, other)), middle);
    } else if (isSpaceDown.current || event.buttons === 4) {
      pan(place.x - last.x, place.y - last.y);
    } else {
      for (const point of event.getCoalescedEvents?.() ?? [event]) {
        mask.current.extend(at({ x: point.clientX, y: point.clientY }));
      }
    }
  };
  const up = (event: PointerEvent) => pointers.current.delete(event.pointerId);
  const wheel = (event: WheelEvent) => {
    event.preventDefault();
    zoomAt(event.deltaY < 0 ? ZOOM.factor : 1 / ZOOM.factor, { x: event.clientX, y: event.clientY });
  };
  const key = (event: KeyboardEvent) => {
    if (event.target instanceof HTMLTextAreaElement || event.target instanceof HTMLInputElement) return;
    const isUndo = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'z';
    if (isUndo) {
      event.preventDefault();
      return act(() => (event.shiftKey ? mask.current.redo() : mask.current.undo()));
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'b') tool.value = 'brush';
    if (event.key === 'e') tool.value = 'eraser';
    if (event.key === '[') resize(1 / SIZES.factor);
    if (event.key === ']') resize(SIZES.factor);
    if (event.target !== holder.current) return;
    const steps: Record<string, Point> = {
      ArrowLeft: { x: -KEYBOARD_STEP, y: 0 },
      ArrowRight: { x: KEYBOARD_STEP, y: 0 },
      ArrowUp: { x: 0, y: -KEYBOARD_STEP },
      ArrowDown: { x: 0, y: KEYBOARD_STEP },
    };
    const step = steps[event.key];
    const place = cursor.value ?? { x: width / 2, y: height / 2 };
    if (step !== undefined) {
      cursor.value = {
        x: Math.min(width, Math.max(0, place.x + step.x)),
        y: Math.min(height, Math.max(0, place.y + step.y)),
      };
    } else if (event.key === 'Enter') {
      act(() => mask.current.add({ kind: tool.value, size: brush.value, points: [place] }));
      cursor.value = place;
    } else if (event.key === ' ') {
      isSpaceDown.current = true;
    } else return;
    event.preventDefault();
  };

  const release = (event: KeyboardEvent) => {
    if (event.key === ' ') isSpaceDown.current = false;
  };

  const submit = async (event: Event) => {
    event.preventDefault();
    const painted = await mask.current.file();
    if (painted === null) {
      problem.value = words.nothingPainted;
      return;
    }
    const settings = { ...record.settings, prompt: prompt.value, image_strength: strength.value, seed: 0 };
    create(settings, { init: image, mask: painted }, 1);
    close();
  };

  const range = all && bounds(all, 'image_strength');
  const { zoom, x, y } = view.value;
  const { canUndo, canRedo } = mask.current;
  return (
    <form class="editor" onSubmit={(event) => void submit(event)} onKeyDown={key} onKeyUp={release}>
      <header class="bar">
        <div>
          <h2 id="repaint-heading">{words.heading}</h2>
          <p class="small">{words.hint}</p>
        </div>
        <button type="button" aria-label={words.cancel} onClick={close}>
          <Cross />
        </button>
      </header>
      <div class="tools" role="toolbar" aria-label={words.heading}>
        {(['brush', 'eraser'] as const).map((kind) => (
          <button
            key={kind}
            type="button"
            class="toggle"
            aria-pressed={tool.value === kind}
            onClick={() => (tool.value = kind)}
          >
            {words[kind]}
          </button>
        ))}
        <label class="brush-size">
          <span class="hidden">{words.size}</span>
          <input
            type="range"
            min={SIZES.least}
            max={SIZES.most}
            value={brush.value}
            onInput={(event) => (brush.value = event.currentTarget.valueAsNumber)}
          />
        </label>
        <Tool name={words.undo} isOff={!canUndo.value} act={() => act(() => mask.current.undo())} />
        <Tool name={words.redo} isOff={!canRedo.value} act={() => act(() => mask.current.redo())} />
        <Tool name={words.invert} act={() => act(() => mask.current.add({ kind: 'invert' }))} />
        <Tool name={words.clear} act={() => act(() => mask.current.add({ kind: 'clear' }))} />
        <Tool name="−" label={words.zoomOut} act={() => zoomAt(1 / ZOOM.factor)} />
        <Tool name="+" label={words.zoomIn} act={() => zoomAt(ZOOM.factor)} />
        <Tool name={words.fit} isOff={zoom === 1} act={() => (view.value = { zoom: 1, x: 0, y: 0 })} />
      </div>
      <div
        ref={holder}
        class="holder"
        tabIndex={0}
        role="application"
        aria-label={words.canvas}
        onPointerDown={down}
        onPointerMove={move}
        onPointerUp={up}
        onPointerCancel={up}
        onPointerLeave={() => (cursor.value = null)}
        onWheel={wheel}
      >
        <div
          class="area"
          style={{
            '--ratio': String(width / height),
            '--zoom': String(zoom),
            transform: `translate(${x}px, ${y}px) scale(${zoom})`,
          }}
        >
          {url.value && <img src={url.value} alt={record.settings.prompt} draggable={false} />}
          <div ref={area} class="paint" />
          {cursor.value && (
            <i
              class="cursor"
              style={{
                width: `${(brush.value / width) * 100}%`,
                left: `${(cursor.value.x / width) * 100}%`,
                top: `${(cursor.value.y / height) * 100}%`,
              }}
            />
          )}
        </div>
      </div>
      <div class="instruction">
        <label for="repaint-prompt">{words.prompt}</label>
        <textarea
          id="repaint-prompt"
          rows={2}
          required
          maxLength={all?.limits.prompt_characters}
          value={prompt.value}
          onInput={(event) => (prompt.value = event.currentTarget.value)}
        />
        {range && all.parameters.image_strength?.supported && (
          <label class="row">
            <span>{words.strength}</span>
            <input
              type="range"
              min={range.minimum}
              max={range.maximum}
              step={range.step}
              value={strength.value}
              onInput={(event) => (strength.value = event.currentTarget.valueAsNumber)}
            />
            <output>{strength.value}</output>
          </label>
        )}
        <div class="row end">
          <p class="small keys">{words.keys}</p>
          <p class="problem" role="alert">
            {problem.value}
          </p>
          <button type="submit" class="primary">
            {words.create}
          </button>
        </div>
      </div>
    </form>
  );
}

/** An image that was repainted itself begins with the mask that it was made with. */
async function loadEarlierMask(record: ImageRecord, mask: Mask): Promise<void> {
  const files = await filesOf(record);
  if (files?.mask !== undefined) await mask.load(files.mask);
}

interface ToolProps {
  name: ComponentChildren;
  label?: string;
  isOff?: boolean;
  act: () => void;
}

function Tool({ name, label, isOff, act }: ToolProps) {
  return (
    <button type="button" aria-label={label} title={label} disabled={isOff} onClick={act}>
      {name}
    </button>
  );
}
