// Images that are being made: one request each, two at once, repeated under the same key until there is an answer.

import { computed, signal } from '@preact/signals';
import {
  type Operation,
  ServiceError,
  draw,
  isAccessError,
  loadPresets,
  presets,
  serviceState,
  watchService,
} from './api';
import { keep } from './history';
import { smaller, thumbnail } from './pictures';
import { type Settings, type Sources, drawSeed, requestBody } from './settings';
import { texts } from './texts';

export type FailedAction = 'edit' | 'settings' | 'anotherSeed' | 'key' | 'fewerSteps' | 'another' | 'again';

export interface Failure {
  message: string;
  action: FailedAction;
  details: string;
  requestId: string;
}

export interface Run {
  id: string;
  settings: Settings;
  sources: Sources;
  /** In milliseconds; orders the images, so no two of one run are the same. */
  created: number;
  state: 'waiting' | 'running' | 'pausing' | 'failed';
  /** Of the request that runs now, in milliseconds. */
  since: number;
  /** Why the page waits and until when, while it pauses between two tries. */
  pause?: { note: 'starting' | 'busy' | 'lost' | 'drawn'; until: number };
  failure?: Failure;
}

const AT_ONCE = 2;
// How long the page waits before the next try where the service does not say it, and for how long in all.
const PAUSE_SECONDS = 2;
const LONGEST_PAUSE_SECONDS = 60;
const PATIENCE_SECONDS: Partial<Record<number, number>> = { 0: 60, 409: 180, 429: 300, 502: 20, 503: 1200 };

const NOTES: Partial<Record<number, NonNullable<Run['pause']>['note']>> = { 0: 'lost', 409: 'drawn', 503: 'starting' };

export const runs = signal<Run[]>([]);
export const now = signal(Date.now());
export const announcement = signal('');
const isMoving = computed(() => runs.value.some((run) => run.state !== 'failed'));

let clock = 0;
isMoving.subscribe((moving) => {
  window.clearInterval(clock);
  if (moving) clock = window.setInterval(() => (now.value = Date.now()), 500);
});

export function operationOf(sources: Sources): Operation {
  if (sources.mask !== undefined) return 'masking';
  return sources.init === undefined ? 'text-to-image' : 'image-to-image';
}

/** Puts `count` images into the queue: the settings' seed and those behind it, or as many new ones. */
export function create(settings: Settings, sources: Sources, count: number): void {
  const all = presets.value;
  if (all === null) return;
  const seeds = Array.from({ length: count }, (_, index) =>
    settings.seed === 0 ? drawSeed(all) : settings.seed + index,
  );
  const added = seeds.map(
    (seed, index): Run => ({
      id: crypto.randomUUID(),
      created: Date.now() + index,
      settings: { ...settings, seed },
      sources,
      state: 'waiting',
      since: Date.now(),
    }),
  );
  runs.value = [...runs.value, ...added];
  startNext();
}

export function cancel(id: string): void {
  runs.value = runs.value.filter((run) => run.id !== id || run.state === 'running');
  startNext();
}

export function cancelWaiting(): void {
  runs.value = runs.value.filter((run) => run.state === 'running' || run.state === 'failed');
}

export function dismiss(id: string): void {
  runs.value = runs.value.filter((run) => run.id !== id);
}

function change(id: string, changes: Partial<Run>): void {
  runs.value = runs.value.map((run) => (run.id === id ? { ...run, ...changes } : run));
}

const isQueued = (id: string) => runs.value.some((run) => run.id === id);

function startNext(): void {
  const busy = runs.value.filter((run) => run.state === 'running' || run.state === 'pausing').length;
  const next = runs.value.filter((run) => run.state === 'waiting');
  for (const run of next.slice(0, Math.max(0, AT_ONCE - busy))) void carryOut(run);
}

async function carryOut(run: Run): Promise<void> {
  const begun = Date.now();
  try {
    await attempt(run, run.id, begun, false);
  } catch (error) {
    if (isQueued(run.id)) fail(run, error);
  }
  startNext();
}

/** Sends the request until it is answered, the patience with its errors ends, or it is cancelled in a pause. */
async function attempt(run: Run, callId: string, begun: number, isShrunk: boolean): Promise<void> {
  const all = presets.value;
  if (all === null) throw new ServiceError(0, 'unreachable', texts.errors.unreachable, '', null);
  const operation = operationOf(run.sources);
  const body = await requestBody(all, operation, run.settings, run.sources);
  for (;;) {
    const since = Date.now();
    change(run.id, { state: 'running', since });
    now.value = since;
    try {
      const { image, seed, filtered } = await draw(operation, body, callId);
      if (filtered) throw new ServiceError(200, 'content_filtered', texts.errors.filtered, '', null);
      serviceState.value = 'ready';
      await finish(run, { ...run.settings, seed }, image, (Date.now() - since) / 1000);
      return;
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      if (error.status === 413 && run.sources.init !== undefined && !isShrunk) {
        // Another body is another call, and has another id.
        const init = await smaller(run.sources.init, run.sources.init.size / 2);
        return attempt({ ...run, sources: { ...run.sources, init } }, crypto.randomUUID(), begun, true);
      }
      const patience = error.kind === 'quota_exceeded' ? undefined : PATIENCE_SECONDS[error.status];
      if (patience === undefined || Date.now() - begun > patience * 1000) throw error;
      await pause(run.id, error);
      if (!isQueued(run.id)) return;
    }
  }
}

async function pause(id: string, error: ServiceError): Promise<void> {
  const note = NOTES[error.status] ?? 'busy';
  serviceState.value = note === 'starting' ? 'starting' : note === 'lost' ? 'unreachable' : 'busy';
  const seconds = Math.min(LONGEST_PAUSE_SECONDS, error.retryAfterSeconds ?? PAUSE_SECONDS);
  change(id, { state: 'pausing', pause: { note, until: Date.now() + seconds * 1000 } });
  // Requests of several images should not come back in the same instant.
  await new Promise((resolve) => window.setTimeout(resolve, seconds * 1000 + Math.random() * 500));
}

async function finish(run: Run, settings: Settings, image: Blob, seconds: number): Promise<void> {
  const record = {
    id: run.id,
    created: run.created,
    settings,
    seconds: Math.round(seconds * 10) / 10,
    bytes: image.size + (run.sources.init?.size ?? 0) + (run.sources.mask?.size ?? 0),
    starred: false,
    thumbnail: await thumbnail(image),
  };
  dismiss(run.id);
  announcement.value = texts.run.done(settings.prompt);
  await keep(record, { image, ...run.sources });
}

function fail(run: Run, error: unknown): void {
  const failure = explain(error);
  change(run.id, { state: 'failed', failure });
  announcement.value = texts.run.failed(failure.message);
  void watchService();
}

function explain(error: unknown): Failure {
  const words = texts.errors;
  if (!(error instanceof ServiceError)) {
    return { message: words.failed, action: 'again', details: String(error), requestId: '' };
  }
  const [message, action] = ((): [string, FailedAction] => {
    if (error.kind === 'content_filtered') return [words.filtered, 'anotherSeed'];
    if (error.kind === 'invalid_prompts') return [words.refused, 'edit'];
    if (isAccessError(error)) return [words.access, 'key'];
    switch (error.status) {
      case 0:
        return [words.unreachable, 'again'];
      case 413:
        return [words.tooLarge, 'another'];
      case 429:
        return error.kind === 'quota_exceeded' ? [words.quota, 'again'] : [words.busy, 'again'];
      case 503:
        return [words.notReady, 'again'];
      case 504:
        return [words.timeout(presets.value?.limits.answer_seconds ?? 0), 'fewerSteps'];
      default:
        return error.status >= 400 && error.status < 500 ? [words.wrong, 'settings'] : [words.failed, 'again'];
    }
  })();
  return { message, action, details: error.message, requestId: error.requestId };
}

/** Makes the image of a failed run again, with other settings if `changes` has some. */
export function again(run: Run, changes: Partial<Settings>): void {
  dismiss(run.id);
  create({ ...run.settings, ...changes }, run.sources, 1);
  if (presets.value === null) void loadPresets();
}
