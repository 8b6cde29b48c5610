// What the page shows at the moment: the form, the image to start from, what is open, and the passing messages.

import { effect, signal } from '@preact/signals';
import { type Presets, presets } from './api';
import { type ImageRecord, filesOf } from './history';
import { type Fitted, fit } from './pictures';
import { readSettings } from './bytes';
import { type Settings, parseSettings, standardSettings } from './settings';
import { texts } from './texts';

const DRAFT = 'sdxl.draft';

export interface Toast {
  message: string;
  action?: string;
  act?: () => void;
}

/** Null until the presets are there. */
export const form = signal<Settings | null>(null);
export const count = signal(1);
export const source = signal<Fitted | null>(null);
export const isAdvancedOpen = signal(false);
export const openedId = signal<string | null>(null);
export const repainted = signal<{ record: ImageRecord; image: Blob } | null>(null);
export const toast = signal<Toast | null>(null);

let toastEnd = 0;
const TOAST_SECONDS = 8;

export function say(message: string, action?: string, act?: () => void): void {
  window.clearTimeout(toastEnd);
  toast.value = { message, ...(action && act ? { action, act } : {}) };
  toastEnd = window.setTimeout(() => (toast.value = null), TOAST_SECONDS * 1000);
}

/** Fills the form: from a link, else from what was typed before a reload. */
export function startForm(all: Presets, linked: unknown): void {
  const fromLink = linked === undefined ? null : parseSettings(linked, all);
  form.value = fromLink ?? draft(all) ?? standardSettings(all);
  if (fromLink !== null) say(texts.form.loadedLink);
  else if (linked !== undefined) say(texts.form.badLink);
  effect(() => sessionStorage.setItem(DRAFT, JSON.stringify(form.value)));
}

function draft(all: Presets): Settings | null {
  try {
    return parseSettings(JSON.parse(sessionStorage.getItem(DRAFT) ?? ''), all);
  } catch {
    return null;
  }
}

export function edit(changes: Partial<Settings>): void {
  if (form.value !== null) form.value = { ...form.value, ...changes };
}

export function loadSettings(settings: Settings): void {
  if (presets.value !== null) form.value = parseSettings(settings, presets.value);
}

export function focusPrompt(): void {
  // After a dialog has closed and has given the focus back.
  requestAnimationFrame(() => {
    const prompt = document.querySelector<HTMLTextAreaElement>('#prompt');
    prompt?.focus({ preventScroll: true });
    prompt?.scrollIntoView({ block: 'center' });
  });
}

export async function startFrom(image: Blob): Promise<void> {
  if (presets.value === null) return;
  try {
    source.value = await fit(image, presets.value);
  } catch {
    say(texts.form.unreadable);
  }
}

/** A file that was chosen, dropped or pasted: settings if it carries some of ours, else an image to start from. */
export async function take(file: Blob, isForStart: boolean): Promise<void> {
  const all = presets.value;
  if (all === null) return;
  const settings = isForStart ? null : parseSettings(await readSettings(file), all);
  if (settings === null) return startFrom(file);
  form.value = settings;
  source.value = null;
  say(texts.form.loaded, texts.form.startFromIt, () => void startFrom(file));
}

/** The image to start from that a record was made with, back in the form. */
export async function restoreSource(record: ImageRecord): Promise<void> {
  const files = await filesOf(record);
  if (files?.init !== undefined && files.mask === undefined) await startFrom(files.init);
  else source.value = null;
}
