// The images that this browser keeps (IndexedDB). A record is small and read at the start; its files are read when an
// image is opened, saved or exported.

import { computed, signal } from '@preact/signals';
import { createStore, del, delMany, get, set, values } from 'idb-keyval';
import { type Entry, zip } from './bytes';
import type { Settings } from './settings';
import { texts } from './texts';

export interface ImageRecord {
  id: string;
  created: number;
  settings: Settings;
  seconds: number;
  bytes: number;
  starred: boolean;
  thumbnail: Blob;
}

export interface Files {
  image: Blob;
  init?: Blob;
  mask?: Blob;
}

// idb-keyval has one store per database.
const recordStore = createStore('sdxl-console-records', 'records');
const fileStore = createStore('sdxl-console-files', 'files');
// The share of the browser's quota from which on the page asks to delete old images, and how many at a time.
const FULL_SHARE = 0.9;
const FREED_AT_ONCE = 20;
const USUAL_OF_LAST = 10;

/** Newest first. */
export const records = signal<ImageRecord[]>([]);
/** False where the browser keeps nothing, as some private windows do. Images then last as long as the page. */
export const isKept = signal(true);
export const isFull = signal(false);
export const keptBytes = computed(() => records.value.reduce((sum, record) => sum + record.bytes, 0));
export const usualSeconds = computed(() => {
  const last = records.value.slice(0, USUAL_OF_LAST).map((record) => record.seconds);
  return last.sort((a, b) => a - b)[Math.floor(last.length / 2)];
});

const unkept = new Map<string, Files>();
const urls = new WeakMap<Blob, string>();

export async function loadHistory(): Promise<void> {
  try {
    const found: ImageRecord[] = await values(recordStore);
    records.value = found.sort((a, b) => b.created - a.created);
  } catch {
    isKept.value = false;
  }
}

export async function keep(record: ImageRecord, files: Files): Promise<void> {
  records.value = [record, ...records.value].sort((a, b) => b.created - a.created);
  try {
    await set(record.id, files, fileStore);
    await set(record.id, record, recordStore);
    void navigator.storage?.persist?.();
    const { usage = 0, quota = Infinity } = (await navigator.storage?.estimate?.()) ?? {};
    isFull.value = usage > quota * FULL_SHARE;
  } catch (error) {
    unkept.set(record.id, files);
    if (error instanceof DOMException && error.name === 'QuotaExceededError') isFull.value = true;
    else isKept.value = false;
  }
}

export async function filesOf(record: ImageRecord): Promise<Files | undefined> {
  return unkept.get(record.id) ?? get<Files>(record.id, fileStore);
}

export async function star(record: ImageRecord): Promise<void> {
  const changed = { ...record, starred: !record.starred };
  records.value = records.value.map((one) => (one.id === record.id ? changed : one));
  if (!unkept.has(record.id)) await set(record.id, changed, recordStore);
}

/** Deletes an image and returns what brings it back. */
export async function remove(record: ImageRecord): Promise<() => Promise<void>> {
  const files = await filesOf(record);
  records.value = records.value.filter((one) => one.id !== record.id);
  unkept.delete(record.id);
  await Promise.all([del(record.id, recordStore), del(record.id, fileStore)]);
  return async () => {
    if (files !== undefined) await keep(record, files);
  };
}

export function oldestUnstarred(): ImageRecord[] {
  return records.value.filter((record) => !record.starred).slice(-FREED_AT_ONCE);
}

export async function makeRoom(): Promise<void> {
  const ids = new Set(oldestUnstarred().map((record) => record.id));
  records.value = records.value.filter((record) => !ids.has(record.id));
  await Promise.all([delMany([...ids], recordStore), delMany([...ids], fileStore)]);
  isFull.value = false;
  for (const record of records.value.filter(({ id }) => unkept.has(id))) {
    const files = unkept.get(record.id);
    unkept.delete(record.id);
    records.value = records.value.filter((one) => one.id !== record.id);
    if (files !== undefined) await keep(record, files);
  }
}

export function search(words: string, starredOnly: boolean): ImageRecord[] {
  const wanted = words.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  return records.value.filter(({ settings, starred }) => {
    const text = `${settings.prompt} ${settings.style_preset}`.toLocaleLowerCase();
    return (starred || !starredOnly) && wanted.every((word) => text.includes(word));
  });
}

export function fileName(record: ImageRecord): string {
  const words = record.settings.prompt.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return `${[...words.slice(0, 6), record.settings.seed].join('-')}.png`;
}

/** A zip of `chosen`, each image as the API answered it. */
export async function exportZip(chosen: ImageRecord[]): Promise<void> {
  const names = new Set<string>();
  async function* entries(): AsyncGenerator<Entry> {
    for (const record of chosen) {
      const files = await filesOf(record);
      if (files === undefined) continue;
      let name = fileName(record);
      for (let copy = 2; names.has(name); copy++) name = fileName(record).replace(/\.png$/, `-${copy}.png`);
      names.add(name);
      yield { name, changed: new Date(record.created), file: files.image };
    }
  }
  download(await zip(entries()), texts.history.file);
}

export function download(file: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  // Safari reads the file after the click.
  window.setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** An address for `blob` that stays the same while the blob is in use. */
export function blobUrl(blob: Blob): string {
  let url = urls.get(blob);
  if (url === undefined) {
    url = URL.createObjectURL(blob);
    urls.set(blob, url);
  }
  return url;
}
