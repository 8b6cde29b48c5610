// The form: words, style, size, the image to start from, and the advanced settings.

import { useComputed, useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useRef } from 'preact/hooks';
import { hasAccess } from './access';
import { type Presets, type Style, loadPresets, presets, presetsFailed } from './api';
import { blobUrl } from './history';
import { create } from './runs';
import { type NumberField, type Settings, bounds, drawSeed, standardSettings } from './settings';
import { count, edit, focusPrompt, form, isAdvancedOpen, source, take } from './studio';
import { Cross, Dice } from './icons';
import { texts } from './texts';

const words = texts.form;
// Styles that are shown before "All styles" is pressed: the team's own and the first of the others.
const FIRST_STYLES = 5;
const MOST_AT_ONCE = 4;

export function Form() {
  const missing = useSignal(false);
  const all = presets.value;
  const settings = form.value;
  if (all === null || settings === null) return <Loading />;

  const submit = (event?: Event) => {
    event?.preventDefault();
    missing.value = settings.prompt.trim() === '';
    if (missing.value) return focusPrompt();
    const fitted = source.value;
    const size = fitted === null ? {} : { width: fitted.width, height: fitted.height };
    create({ ...settings, ...size }, fitted === null ? {} : { init: fitted.image }, count.value);
  };
  const submitByKeys = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) submit(event);
  };
  return (
    <form class="form" aria-label={words.label} onSubmit={submit} onKeyDown={submitByKeys} noValidate>
      <Prompt settings={settings} all={all} isMissing={missing.value && settings.prompt.trim() === ''} />
      <Sizes settings={settings} all={all} />
      <Styles settings={settings} all={all} />
      <Start all={all} settings={settings} />
      <Advanced settings={settings} all={all} />
      <div class="create">
        <fieldset class="count">
          <legend class="hidden">{words.count}</legend>
          {Array.from({ length: Math.min(MOST_AT_ONCE, all.parameters.samples?.maximum ?? 1) }, (_, index) => (
            <label key={index}>
              <input
                type="radio"
                name="count"
                checked={count.value === index + 1}
                onChange={() => (count.value = index + 1)}
                aria-label={words.createMany(index + 1)}
              />
              <span aria-hidden="true">{index + 1}</span>
            </label>
          ))}
        </fieldset>
        <button class="primary" type="submit" title={words.createKeys} disabled={!hasAccess.value}>
          {words.create}
        </button>
      </div>
    </form>
  );
}

function Loading() {
  if (!presetsFailed.value) return <p class="note form">{words.loading}</p>;
  return (
    <div class="form note" role="alert">
      <p>{words.failed}</p>
      <button type="button" onClick={() => void loadPresets()}>
        {words.retry}
      </button>
    </div>
  );
}

interface Part {
  settings: Settings;
  all: Presets;
}

function Prompt({ settings, all, isMissing }: Part & { isMissing: boolean }) {
  const most = all.limits.prompt_characters;
  return (
    <div class="field">
      <label class="question" for="prompt">
        {words.prompt}
      </label>
      <textarea
        id="prompt"
        rows={3}
        maxLength={most}
        placeholder={words.promptHint}
        value={settings.prompt}
        aria-describedby="prompt-note"
        aria-invalid={isMissing}
        onInput={(event) => edit({ prompt: event.currentTarget.value })}
      />
      <p id="prompt-note" class={isMissing ? 'small problem' : 'small'}>
        {isMissing ? words.needsPrompt : words.counted(settings.prompt.length, most)}
      </p>
    </div>
  );
}

function Sizes({ settings, all }: Part) {
  const fitted = source.value;
  const chosen = all.sizes.find((size) => size.width === settings.width && size.height === settings.height);
  const longest = Math.max(...all.sizes.flatMap((size) => [size.width, size.height]));
  const hint = fitted
    ? words.sizeFromImage(fitted.width, fitted.height)
    : words.sizeHint(chosen?.label ?? words.sizeOther, settings.width, settings.height);
  return (
    <fieldset class="field" disabled={fitted !== null}>
      <legend class="question">{words.size}</legend>
      <div class="sizes">
        {all.sizes.map((size) => (
          <label key={size.name} title={size.label}>
            <input
              type="radio"
              name="size"
              checked={fitted === null && size === chosen}
              aria-label={words.sizeHint(size.label, size.width, size.height)}
              onChange={() => edit({ width: size.width, height: size.height })}
            />
            <span class="shape" aria-hidden="true">
              <i style={{ width: `${(size.width / longest) * 100}%`, aspectRatio: `${size.width}/${size.height}` }} />
            </span>
            <span aria-hidden="true">{size.ratio}</span>
          </label>
        ))}
      </div>
      <p class="small">{hint}</p>
    </fieldset>
  );
}

function Styles({ settings, all }: Part) {
  const isOpen = useSignal(false);
  const sorted = [...all.styles].sort((a, b) => Number(b.origin === 'team') - Number(a.origin === 'team'));
  const first = sorted.slice(0, FIRST_STYLES);
  const isFirst = first.some((style) => style.name === settings.style_preset) || settings.style_preset === '';
  const chosen = sorted.filter((style) => style.name === settings.style_preset);
  const shown = isOpen.value ? sorted : isFirst ? first : [...first.slice(0, -1), ...chosen];
  const none: Pick<Style, 'name' | 'label' | 'description'> = {
    name: '',
    label: words.noStyle,
    description: words.noStyleHint,
  };
  return (
    <fieldset class="field">
      <legend class="question">{words.style}</legend>
      <div class="styles">
        {[none, ...shown].map((style) => (
          <label key={style.name}>
            <input
              type="radio"
              name="style"
              checked={style.name === settings.style_preset}
              onChange={() => edit({ style_preset: style.name })}
            />
            <span>
              <b>{style.label}</b>
              <small>{style.description}</small>
            </span>
          </label>
        ))}
      </div>
      {sorted.length > FIRST_STYLES && (
        <button
          type="button"
          class="link"
          aria-expanded={isOpen.value}
          onClick={() => (isOpen.value = !isOpen.value)}
        >
          {isOpen.value ? words.fewerStyles : words.moreStyles(sorted.length)}
        </button>
      )}
    </fieldset>
  );
}

function Start({ settings, all }: Part) {
  const input = useRef<HTMLInputElement>(null);
  const fitted = source.value;
  if (!all.operations.includes('image-to-image')) return null;
  const { crop } = fitted ?? {};
  const percent = (share: number) => `${share * 100}%`;
  return (
    <div class="field" role="group" aria-labelledby="start-label">
      <span id="start-label" class="question">
        {words.start}
      </span>
      <input
        ref={input}
        class="hidden"
        type="file"
        accept="image/*"
        tabIndex={-1}
        aria-label={words.choose}
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          event.currentTarget.value = '';
          if (file !== undefined) void take(file, true);
        }}
      />
      {fitted === null || crop === undefined ? (
        <button type="button" class="drop" onClick={() => input.current?.click()}>
          <b>{words.choose}</b> {words.dropHint}
        </button>
      ) : (
        <>
          <div class="start">
            <figure>
              <img src={blobUrl(fitted.original)} alt={words.startAlt} />
              <i
                style={{
                  left: percent(crop.left),
                  top: percent(crop.top),
                  width: percent(crop.width),
                  height: percent(crop.height),
                }}
              />
            </figure>
            <div>
              <p class="small">{crop.width < 1 || crop.height < 1 ? words.cropped : words.notCropped}</p>
              <button type="button" onClick={() => (source.value = null)}>
                {words.remove}
              </button>
            </div>
          </div>
          <Slider field="image_strength" label={words.strength} settings={settings} all={all} />
        </>
      )}
    </div>
  );
}

function Advanced({ settings, all }: Part) {
  const standard = standardSettings(all);
  const samplers = all.samplers.filter((sampler) => sampler.supported);
  const note = useComputed(() => all.samplers.find((one) => one.name === form.value?.sampler)?.description ?? '');
  return (
    <details
      class="advanced"
      open={isAdvancedOpen.value}
      onToggle={(event) => (isAdvancedOpen.value = event.currentTarget.open)}
    >
      <summary class="question">{words.advanced}</summary>
      <Field id="negative" label={words.negative}>
        <textarea
          id="negative"
          rows={2}
          maxLength={all.limits.prompt_characters}
          placeholder={words.negativeHint}
          value={settings.negative_prompt}
          onInput={(event) => edit({ negative_prompt: event.currentTarget.value })}
        />
      </Field>
      <Slider field="cfg_scale" label={words.cfg_scale} settings={settings} all={all} />
      <Slider field="steps" label={words.steps} settings={settings} all={all} />
      <Field id="seed" label={words.seed} note={words.seedHint}>
        <div class="row">
          <input
            id="seed"
            type="number"
            inputMode="numeric"
            min={1}
            max={bounds(all, 'seed').maximum}
            placeholder={words.seedNew}
            value={settings.seed === 0 ? '' : settings.seed}
            aria-describedby="seed-note"
            onInput={(event) => edit({ seed: within(all, 'seed', event.currentTarget.valueAsNumber || 0) })}
          />
          <button
            type="button"
            aria-label={words.dice}
            title={words.dice}
            onClick={() => edit({ seed: drawSeed(all) })}
          >
            <Dice />
          </button>
          {settings.seed !== 0 && (
            <button type="button" aria-label={words.unlock} title={words.unlock} onClick={() => edit({ seed: 0 })}>
              <Cross />
            </button>
          )}
        </div>
      </Field>
      <Field id="sampler" label={words.sampler} note={note.value}>
        <select
          id="sampler"
          value={settings.sampler}
          aria-describedby="sampler-note"
          onChange={(event) => edit({ sampler: event.currentTarget.value })}
        >
          {samplers.map((one) => (
            <option key={one.name} value={one.name}>
              {one.recommended ? words.samplerRecommended(one.name) : one.name}
            </option>
          ))}
        </select>
      </Field>
      <button type="button" class="link" onClick={() => edit({ ...standard, prompt: settings.prompt })}>
        {words.reset}
      </button>
    </details>
  );
}

interface FieldProps {
  id: string;
  label: string;
  note?: string;
  children: ComponentChildren;
}

function Field({ id, label, note, children }: FieldProps) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children}
      {note && (
        <p class="small" id={`${id}-note`}>
          {note}
        </p>
      )}
    </div>
  );
}

function within(all: Presets, field: NumberField, value: number): number {
  const { minimum, maximum } = bounds(all, field);
  return Math.min(maximum, Math.max(minimum, value));
}

interface SliderProps extends Part {
  field: NumberField;
  label: string;
}

/** A number by slider or by typing, with the range marked that works best. */
export function Slider({ field, label, settings, all }: SliderProps) {
  const { minimum, maximum, step, recommended } = bounds(all, field);
  if (all.parameters[field]?.supported !== true) return null;
  const share = (value: number) => `${((value - minimum) / (maximum - minimum)) * 100}%`;
  const change = (value: number) => {
    if (Number.isFinite(value)) edit({ [field]: within(all, field, value) });
  };
  const marks = recommended && { '--from': share(recommended[0]), '--to': share(recommended[1]) };
  return (
    <Field id={field} label={label} {...(recommended && { note: words.recommended(...recommended) })}>
      <div class="row">
        <input
          id={field}
          type="range"
          min={minimum}
          max={maximum}
          step={step}
          value={settings[field]}
          style={marks}
          aria-describedby={recommended && `${field}-note`}
          onInput={(event) => change(event.currentTarget.valueAsNumber)}
        />
        <input
          class="number"
          type="number"
          min={minimum}
          max={maximum}
          step={step}
          value={settings[field]}
          aria-label={label}
          onChange={(event) => change(event.currentTarget.valueAsNumber)}
        />
      </div>
    </Field>
  );
}
