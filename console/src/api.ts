// The service: its types, which come from the API's OpenAPI document, and its calls. Addresses are relative.

import { signal } from '@preact/signals';
import { type AccessSettings, accessRefused, authorization } from './access';
import type { components } from './openapi';

type Schemas = components['schemas'];
export type Presets = Schemas['Presets'];
export type Operation = Presets['operations'][number];
export type Style = Presets['styles'][number];
type Artifact = Schemas['Artifact'];

export type ServiceState = 'checking' | 'ready' | 'starting' | 'busy' | 'unreachable';

const CHECK_SECONDS = { ready: 60, other: 10 };

export const presets = signal<Presets | null>(null);
export const presetsFailed = signal(false);
export const serviceState = signal<ServiceState>('checking');

/** An answer that is an error. Status 0: there was no answer. */
export class ServiceError extends Error {
  constructor(
    readonly status: number,
    readonly kind: string,
    message: string,
    readonly requestId: string,
    readonly retryAfterSeconds: number | null,
  ) {
    super(message);
  }
}

export interface Drawn {
  image: Blob;
  seed: number;
  filtered: boolean;
}

/** How callers say who they are. Waits until the service is reachable. */
export async function loadAccessSettings(): Promise<AccessSettings> {
  for (;;) {
    try {
      return (await (await request('console/access.json', {})).json()) as AccessSettings;
    } catch {
      await new Promise((resolve) => window.setTimeout(resolve, CHECK_SECONDS.other * 1000));
    }
  }
}

export async function loadPresets(): Promise<void> {
  presetsFailed.value = false;
  try {
    presets.value = (await (await request('v1/presets', { headers: authorization() })).json()) as Presets;
  } catch (error) {
    presetsFailed.value = !isAccessError(error);
  }
}

/** Draws one image. The same `callId` is paid once, however often it is sent within a day. */
export async function draw(operation: Operation, body: object, callId: string): Promise<Drawn> {
  const engine = presets.value?.engine_id ?? '';
  const response = await request(`v1/generation/${engine}/${PATHS[operation]}`, {
    method: 'POST',
    headers: {
      ...authorization(),
      'Content-Type': 'application/json',
      Accept: 'application/json',
      'Idempotency-Key': callId,
    },
    body: JSON.stringify(body),
  });
  const { artifacts } = (await response.json()) as { artifacts: Artifact[] };
  const artifact = artifacts[0];
  if (artifact === undefined) throw new ServiceError(502, 'model_error', 'The answer holds no image.', '', null);
  return {
    image: artifactImage(artifact),
    seed: artifact.seed,
    filtered: artifact.finishReason === 'CONTENT_FILTERED',
  };
}

const PATHS: Record<Operation, string> = {
  'text-to-image': 'text-to-image',
  'image-to-image': 'image-to-image',
  masking: 'image-to-image/masking',
};

function artifactImage({ base64 }: Artifact): Blob {
  // Only answers with several images have links in their place: one fits, because its pixels are bounded.
  const bytes = Uint8Array.from(atob(base64 ?? ''), (character) => character.charCodeAt(0));
  return new Blob([bytes], { type: 'image/png' });
}

export function isAccessError(error: unknown): boolean {
  return error instanceof ServiceError && (error.status === 401 || error.status === 403);
}

async function request(address: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(address, init);
  } catch (error) {
    throw new ServiceError(0, 'unreachable', String(error), '', null);
  }
  if (response.ok) return response;
  const failure = await serviceError(response);
  if (isAccessError(failure) && init.headers !== undefined) accessRefused.value = true;
  throw failure;
}

async function serviceError(response: Response): Promise<ServiceError> {
  let body: { name?: unknown; message?: unknown; id?: unknown } = {};
  try {
    body = (await response.json()) as typeof body;
  } catch {
    // A proxy on the way answers in words of its own: the status has to do.
  }
  const seconds = Number(response.headers.get('Retry-After') ?? Number.NaN);
  return new ServiceError(
    response.status,
    String(body.name ?? ''),
    String(body.message ?? `${response.status} ${response.statusText}`),
    String(body.id ?? response.headers.get('X-Request-Id') ?? ''),
    Number.isFinite(seconds) ? Math.max(0, seconds) : null,
  );
}

let nextCheck = 0;

/** Keeps `serviceState` true while the page is visible. */
export async function watchService(): Promise<void> {
  window.clearTimeout(nextCheck);
  if (document.visibilityState === 'visible') serviceState.value = await checkService();
  const seconds = serviceState.value === 'ready' ? CHECK_SECONDS.ready : CHECK_SECONDS.other;
  nextCheck = window.setTimeout(() => void watchService(), seconds * 1000);
}

async function checkService(): Promise<ServiceState> {
  try {
    await request('health', {});
    return 'ready';
  } catch (error) {
    const status = error instanceof ServiceError ? error.status : 0;
    if (status === 503) return 'starting';
    return status === 429 ? 'busy' : 'unreachable';
  }
}
