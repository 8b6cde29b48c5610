// The settings of an image: what the form holds, what a request says, and what links and saved images carry.
// Links and images come from anywhere: `parseSettings` keeps only what this deployment can use.

import type { Operation, Presets } from './api';
import { base64url } from './access';

/** The names are the API's own. `seed` 0: a new one each time. `style_preset` '': none. */
export interface Settings {
  prompt: string;
  negative_prompt: string;
  style_preset: string;
  width: number;
  height: number;
  cfg_scale: number;
  steps: number;
  seed: number;
  sampler: string;
  image_strength: number;
}

export interface Sources {
  init?: Blob;
  mask?: Blob;
}

export type NumberField = 'cfg_scale' | 'steps' | 'seed' | 'image_strength';

export interface Bounds {
  minimum: number;
  maximum: number;
  step: number;
  initial: number;
  recommended?: [number, number];
}

export function bounds(presets: Presets, field: NumberField): Bounds {
  const parameter = presets.parameters[field];
  const minimum = parameter?.minimum ?? 0;
  const maximum = parameter?.maximum ?? 1;
  const from = parameter?.recommended_minimum;
  const to = parameter?.recommended_maximum;
  return {
    minimum,
    maximum,
    step: parameter?.type === 'integer' ? 1 : maximum <= 1 ? 0.05 : 0.5,
    initial: Number(parameter?.default ?? minimum),
    ...(from === undefined || to === undefined ? {} : { recommended: [from, to] }),
  };
}

export function standardSettings(presets: Presets): Settings {
  const size = presets.sizes.find((one) => one.default) ?? presets.sizes[0];
  const sampler = presets.samplers.find((one) => one.recommended) ?? presets.samplers[0];
  return {
    prompt: '',
    negative_prompt: '',
    style_preset: '',
    width: size?.width ?? 0,
    height: size?.height ?? 0,
    cfg_scale: bounds(presets, 'cfg_scale').initial,
    steps: bounds(presets, 'steps').initial,
    seed: 0,
    sampler: sampler?.name ?? '',
    image_strength: bounds(presets, 'image_strength').initial,
  };
}

/** The settings in `value`, each as far as it can be used here and else the standard one; null if `value` is none. */
export function parseSettings(value: unknown, presets: Presets): Settings | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const given = value as Record<string, unknown>;
  const settings = standardSettings(presets);
  if (typeof given.prompt !== 'string') return null;
  settings.prompt = text(given.prompt, presets);
  settings.negative_prompt = text(given.negative_prompt, presets);
  if (presets.styles.some((style) => style.name === given.style_preset)) {
    settings.style_preset = String(given.style_preset);
  }
  if (presets.samplers.some((one) => one.supported && one.name === given.sampler)) {
    settings.sampler = String(given.sampler);
  }
  for (const field of ['cfg_scale', 'steps', 'seed', 'image_strength'] as const) {
    const number = given[field];
    const { minimum, maximum, step } = bounds(presets, field);
    if (typeof number !== 'number' || !(number >= minimum && number <= maximum)) continue;
    if (step < 1 || Number.isInteger(number)) settings[field] = number;
  }
  const { width, height } = given;
  if (isSide(width, presets) && isSide(height, presets) && width * height <= presets.limits.pixels) {
    settings.width = width;
    settings.height = height;
  }
  return settings;
}

function text(value: unknown, presets: Presets): string {
  return typeof value === 'string' ? value.slice(0, presets.limits.prompt_characters) : '';
}

function isSide(value: unknown, { limits }: Presets): value is number {
  return (
    typeof value === 'number' && value >= limits.side_minimum_pixels && value % limits.side_multiple_pixels === 0
  );
}

/** The body of a request. Holds only what this deployment's model can use. */
export async function requestBody(
  presets: Presets,
  operation: Operation,
  settings: Settings,
  sources: Sources,
): Promise<object> {
  const fields: Record<string, unknown> = {
    cfg_scale: settings.cfg_scale,
    steps: settings.steps,
    seed: settings.seed,
    sampler: settings.sampler,
    samples: 1,
    width: settings.width,
    height: settings.height,
    image_strength: settings.image_strength,
  };
  if (settings.style_preset !== '') fields.style_preset = settings.style_preset;
  if (sources.init !== undefined) fields.init_image = await base64(sources.init);
  if (sources.mask !== undefined) {
    fields.mask_image = await base64(sources.mask);
    fields.mask_source = 'MASK_IMAGE_WHITE';
  }
  const usable = Object.entries(fields).filter(([name]) => {
    const parameter = presets.parameters[name];
    return parameter?.supported === true && parameter.operations.includes(operation);
  });
  const prompts = [{ text: settings.prompt, weight: 1 }];
  if (settings.negative_prompt.trim() !== '') prompts.push({ text: settings.negative_prompt, weight: -1 });
  return { text_prompts: prompts, ...Object.fromEntries(usable) };
}

function base64(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).replace(/^[^,]*,/, ''));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

export function drawSeed(presets: Presets): number {
  const most = bounds(presets, 'seed').maximum;
  // 0 would let the service choose, and a repeated request would be another image.
  return (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) % most || 1;
}

export function settingsLink(page: string, settings: Settings): string {
  return `${page}#settings=${base64url(new TextEncoder().encode(JSON.stringify(settings)))}`;
}

/** The settings in a link's fragment, unchecked; undefined if it has none that can be read. */
export function readLink(fragment: URLSearchParams): unknown {
  const packed = fragment.get('settings');
  if (packed === null) return undefined;
  try {
    const bytes = Uint8Array.from(atob(packed.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return null;
  }
}
