// An image, large, with everything that can be done with it.

import { useSignal, useSignalEffect } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { pageAddress } from './access';
import { presets } from './api';
import { type Files, type ImageRecord, download, fileName, filesOf, records, remove, star } from './history';
import { Cross, Left, Right, Star } from './icons';
import { create } from './runs';
import { settingsLink } from './settings';
import { focusPrompt, loadSettings, openedId, repainted, restoreSource, say, startFrom } from './studio';
import { texts } from './texts';

const words = texts.viewer;
const VARIATIONS = 4;

export function Viewer() {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = openedId.value;
  const record = records.value.find((one) => one.id === id);

  useEffect(() => {
    if (record !== undefined && !dialog.current?.open) dialog.current?.showModal();
    if (record === undefined) dialog.current?.close();
  }, [record]);

  const step = (by: number) => {
    const index = records.value.findIndex((one) => one.id === openedId.value);
    const other = index < 0 ? undefined : records.value[index + by];
    if (other !== undefined) openedId.value = other.id;
  };
  const turn = (event: KeyboardEvent) => {
    if (event.key === 'ArrowLeft') step(-1);
    if (event.key === 'ArrowRight') step(1);
  };
  const index = records.value.findIndex((one) => one.id === id);
  return (
    <dialog
      ref={dialog}
      class="viewer"
      aria-label={words.label}
      onClose={() => (openedId.value = null)}
      onKeyDown={turn}
      onClick={(event) => event.target === event.currentTarget && dialog.current?.close()}
    >
      {record !== undefined && (
        <>
          <Stage record={record}>
            <button
              type="button"
              class="turn previous"
              aria-label={words.previous}
              disabled={index <= 0}
              onClick={() => step(-1)}
            >
              <Left />
            </button>
            <button
              type="button"
              class="turn next"
              aria-label={words.next}
              disabled={index >= records.value.length - 1}
              onClick={() => step(1)}
            >
              <Right />
            </button>
          </Stage>
          <About record={record} close={() => dialog.current?.close()} />
        </>
      )}
    </dialog>
  );
}

function Stage({ record, children }: { record: ImageRecord; children: ComponentChildren }) {
  const url = useSignal('');
  const { prompt, width, height } = record.settings;
  useEffect(() => {
    let made = '';
    let isGone = false;
    void filesOf(record).then((files) => {
      if (files === undefined || isGone) return;
      made = URL.createObjectURL(files.image);
      url.value = made;
    });
    return () => {
      isGone = true;
      url.value = '';
      URL.revokeObjectURL(made);
    };
  }, [record.id]);
  return (
    <div class="stage" style={{ '--ratio': String(width / height) }}>
      <div class="frame">
        {url.value && <img src={url.value} alt={prompt} width={width} height={height} />}
      </div>
      {children}
    </div>
  );
}

function About({ record, close }: { record: ImageRecord; close: () => void }) {
  const { settings } = record;
  const all = presets.value;
  const reason = all?.unsupported_operations.find((one) => one.operation === 'masking')?.reason;
  const withFiles = async (act: (files: Files) => unknown) => {
    const files = await filesOf(record);
    if (files !== undefined) await act(files);
  };
  const actions: [string, () => unknown, string?][] = [
    [
      words.same,
      async () => {
        close();
        loadSettings(settings);
        await restoreSource(record);
        say(words.sameNow);
        focusPrompt();
      },
      words.sameHint,
    ],
    [
      words.variations,
      () =>
        withFiles(({ image: _, ...sources }) => {
          close();
          create({ ...settings, seed: 0 }, sources, VARIATIONS);
        }),
      words.variationsHint(VARIATIONS),
    ],
    [
      words.start,
      () =>
        withFiles(({ image }) => {
          close();
          focusPrompt();
          return startFrom(image);
        }),
    ],
  ];
  return (
    <aside class="about">
      <div class="row top">
        <button
          type="button"
          class="toggle"
          aria-label={words.star}
          aria-pressed={record.starred}
          onClick={() => void star(record)}
        >
          <Star />
        </button>
        <button type="button" aria-label={words.close} onClick={close}>
          <Cross />
        </button>
      </div>
      <h2>{settings.prompt}</h2>
      <div class="actions">
        <button
          type="button"
          class="primary"
          onClick={() => void withFiles(({ image }) => download(image, fileName(record)))}
        >
          {words.save}
        </button>
        {actions.map(([name, act, hint]) => (
          <button key={name} type="button" title={hint} disabled={all === null} onClick={() => void act()}>
            {name}
          </button>
        ))}
        <button
          type="button"
          aria-disabled={reason !== undefined || all === null}
          aria-describedby={reason === undefined ? undefined : 'no-masks'}
          onClick={() => {
            if (reason !== undefined || all === null) return;
            void withFiles(({ image }) => {
              close();
              repainted.value = { record, image };
            });
          }}
        >
          {words.repaint}
        </button>
        {reason !== undefined && (
          <p class="small" id="no-masks">
            {reason}
          </p>
        )}
      </div>
      <Facts record={record} />
      <div class="actions small">
        <button type="button" class="link" onClick={() => void copy(JSON.stringify(settings, null, 2))}>
          {words.copySettings}
        </button>
        <button
          type="button"
          class="link"
          title={words.copyLinkHint}
          onClick={() => void copy(settingsLink(pageAddress(), settings))}
        >
          {words.copyLink}
        </button>
        <button
          type="button"
          class="link problem"
          onClick={async () => {
            close();
            const undo = await remove(record);
            say(texts.history.deleted, texts.history.undo, () => void undo());
          }}
        >
          {words.delete}
        </button>
      </div>
    </aside>
  );
}

function Facts({ record }: { record: ImageRecord }) {
  const { settings, created, seconds } = record;
  const style = presets.value?.styles.find((one) => one.name === settings.style_preset);
  const fields = words.fields;
  const facts: [string, string | number][] = [
    [fields.style_preset, style?.label ?? (settings.style_preset || words.noStyle)],
    [fields.size, `${settings.width} × ${settings.height}`],
    [fields.seed, settings.seed],
    [fields.steps, settings.steps],
    [fields.cfg_scale, settings.cfg_scale],
    [fields.sampler, settings.sampler],
  ];
  if (settings.negative_prompt) facts.push([fields.negative_prompt, settings.negative_prompt]);
  const made = new Date(created).toLocaleString('en', { dateStyle: 'medium', timeStyle: 'short' });
  facts.push([words.made, `${made}, ${words.seconds(seconds)}`]);
  return (
    <dl>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    say(words.copied);
  } catch {
    say(words.notCopied);
  }
}

/** Gives the focus back to the tile of the image that was open last. */
export function useFocusReturn(): void {
  const last = useRef<string | null>(null);
  useSignalEffect(() => {
    const id = openedId.value;
    if (id === null && last.current !== null && repainted.value === null) {
      const tile = document.querySelector<HTMLElement>(`[data-record="${last.current}"]`);
      requestAnimationFrame(() => document.activeElement === document.body && tile?.focus());
    }
    last.current = id;
  });
}
