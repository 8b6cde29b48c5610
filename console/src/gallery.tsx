// The right side: images that are being made, then the history, newest first.

import { useComputed, useSignal } from '@preact/signals';
import { accessSettings, hasAccess, signIn } from './access';
import { presets } from './api';
import {
  type ImageRecord,
  blobUrl,
  exportZip,
  isFull,
  isKept,
  keptBytes,
  makeRoom,
  oldestUnstarred,
  records,
  search,
  star,
  usualSeconds,
} from './history';
import { Star } from './icons';
import { type FailedAction, type Run, again, cancel, cancelWaiting, dismiss, now, runs } from './runs';
import { edit, focusPrompt, loadSettings, openedId, source } from './studio';
import { texts } from './texts';

const words = texts.history;

export function Gallery() {
  const query = useSignal('');
  const starredOnly = useSignal(false);
  const isExporting = useSignal(false);
  const found = useComputed(() => search(query.value, starredOnly.value)).value;
  const isEmpty = records.value.length === 0 && runs.value.length === 0;
  const waiting = runs.value.filter((run) => run.state === 'waiting').length;
  return (
    <section class="gallery" aria-labelledby="gallery-heading">
      <header class="bar">
        <h2 id="gallery-heading">{words.heading}</h2>
        {waiting > 1 && (
          <button type="button" class="link" onClick={cancelWaiting}>
            {texts.run.cancelAll}
          </button>
        )}
        {records.value.length > 0 && (
          <div class="row" role="search">
            <input
              type="search"
              aria-label={words.search}
              placeholder={words.search}
              value={query.value}
              onInput={(event) => (query.value = event.currentTarget.value)}
            />
            <button
              type="button"
              class="toggle"
              aria-pressed={starredOnly.value}
              onClick={() => (starredOnly.value = !starredOnly.value)}
            >
              <Star /> {words.starredOnly}
            </button>
          </div>
        )}
      </header>
      {isFull.value && <Full />}
      {!isKept.value && <p class="notice">{words.unavailable}</p>}
      {isEmpty && <Empty />}
      <div class="tiles">
        {[...runs.value, ...found]
          .sort((a, b) => b.created - a.created)
          .map((one) =>
            // An image takes the place of the run that made it.
            'state' in one ? <RunTile key={one.id} run={one} /> : <RecordTile key={one.id} record={one} />,
          )}
      </div>
      {records.value.length > 0 && found.length === 0 && (
        <p class="note">{query.value.trim() ? words.nothing(query.value.trim()) : words.nothingStarred}</p>
      )}
      {records.value.length > 0 && (
        <footer class="kept small">
          <span>{words.kept(records.value.length, size(keptBytes.value))}</span>
          <button
            type="button"
            class="link"
            disabled={isExporting.value || found.length === 0}
            onClick={async () => {
              isExporting.value = true;
              await exportZip(found).finally(() => (isExporting.value = false));
            }}
          >
            {isExporting.value ? words.exporting : words.export}
          </button>
        </footer>
      )}
    </section>
  );
}

export function size(bytes: number): string {
  const megabytes = bytes / 1e6;
  return megabytes < 10 ? `${megabytes.toFixed(1)} MB` : `${Math.round(megabytes)} MB`;
}

function Empty() {
  return (
    <div class="empty">
      <svg viewBox="0 0 64 48" aria-hidden="true">
        <rect x="1.5" y="1.5" width="61" height="45" rx="6" />
        <circle cx="46" cy="14" r="5" />
        <path d="M2 38l17-17 14 14 8-8 21 18" />
      </svg>
      <p>
        <b>{words.empty}</b>
        <br />
        {words.emptyHint}
      </p>
      <ul>
        {words.examples.map((example) => (
          <li key={example}>
            <button
              type="button"
              onClick={() => {
                edit({ prompt: example });
                focusPrompt();
              }}
            >
              {example}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Full() {
  const oldest = oldestUnstarred().length;
  return (
    <div class="notice" role="alert">
      <p>
        <b>{words.full}</b> {oldest > 0 ? words.fullQuestion(oldest) : words.fullStarred}
      </p>
      <div class="row">
        {oldest > 0 && (
          <button type="button" onClick={() => void makeRoom()}>
            {words.makeRoom}
          </button>
        )}
        <button type="button" onClick={() => (isFull.value = false)}>
          {words.keepAll}
        </button>
      </div>
    </div>
  );
}

/** A row of tiles is as wide as the page: each takes its share by its ratio, known before its image is there. */
const tileShape = (width: number, height: number) => ({
  '--ratio': String(width / height),
  aspectRatio: `${width} / ${height}`,
});

function RunTile({ run }: { run: Run }) {
  const { width, height, prompt } = run.settings;
  const isRunning = run.state === 'running';
  return (
    <article class={`tile run ${run.state}`} style={tileShape(width, height)} aria-label={prompt}>
      <p class="prompt">{prompt}</p>
      {run.failure ? (
        <Failed run={run} failure={run.failure} />
      ) : (
        <>
          <p class="state">
            <Progress run={run} />
          </p>
          {!isRunning && (
            <button type="button" onClick={() => cancel(run.id)}>
              {texts.run.cancel}
            </button>
          )}
        </>
      )}
    </article>
  );
}

function Progress({ run }: { run: Run }) {
  const seconds = (from: number, to: number) => Math.max(0, Math.round((to - from) / 1000));
  if (run.state === 'waiting') return <>{texts.run.waiting}</>;
  if (run.state === 'pausing' && run.pause) {
    const { note, until } = run.pause;
    if (note === 'starting') return <>{texts.run.starting}</>;
    if (note === 'drawn') return <>{texts.run.stillDrawn}</>;
    return <>{note === 'lost' ? texts.run.lost : texts.run.again(seconds(now.value, until))}</>;
  }
  const usual = usualSeconds.value;
  return (
    <>
      <b>{texts.run.running(seconds(run.since, now.value))}</b>
      {usual !== undefined && ` ${texts.run.usually(Math.max(1, Math.round(usual)))}`}
    </>
  );
}

function Failed({ run, failure }: { run: Run; failure: NonNullable<Run['failure']> }) {
  const action = failure.action === 'key' && hasAccess.value ? 'again' : failure.action;
  return (
    <>
      <p class="problem">{failure.message}</p>
      <div class="row">
        <button type="button" class="primary" onClick={() => act(run, action)}>
          {actionText(action)}
        </button>
        <button type="button" onClick={() => dismiss(run.id)}>
          {texts.run.dismiss}
        </button>
      </div>
      <details>
        <summary>{texts.run.details}</summary>
        <p class="small">{failure.details}</p>
        {failure.requestId && <p class="small">{texts.run.requestId(failure.requestId)}</p>}
      </details>
    </>
  );
}

function fewerSteps(): number {
  const { recommended_minimum: recommended, minimum } = presets.value?.parameters.steps ?? {};
  return recommended ?? minimum ?? 1;
}

function actionText(action: FailedAction): string {
  const { fewerSteps: withSteps, signIn: toSignIn, ...others } = texts.errors.actions;
  if (action === 'key' && accessSettings.value.mode === 'cognito') return toSignIn;
  return action === 'fewerSteps' ? withSteps(fewerSteps()) : others[action];
}

function askForAccess(): void {
  if (accessSettings.value.mode === 'cognito') void signIn();
  else document.querySelector<HTMLInputElement>('#key')?.focus();
}

function act(run: Run, action: FailedAction): void {
  switch (action) {
    case 'again':
      return again(run, {});
    case 'anotherSeed':
      return again(run, { seed: 0 });
    case 'fewerSteps':
      edit({ steps: fewerSteps() });
      return again(run, { steps: fewerSteps() });
    case 'key':
      return askForAccess();
    case 'another':
      source.value = null;
      dismiss(run.id);
      return focusPrompt();
    case 'edit':
    case 'settings':
      loadSettings({ ...run.settings });
      dismiss(run.id);
      return focusPrompt();
  }
}

function RecordTile({ record }: { record: ImageRecord }) {
  const { settings } = record;
  return (
    <article class="tile" style={tileShape(settings.width, settings.height)}>
      <button
        type="button"
        class="open"
        data-record={record.id}
        aria-label={words.open(settings.prompt)}
        onClick={() => (openedId.value = record.id)}
      >
        <img src={blobUrl(record.thumbnail)} alt={settings.prompt} width={settings.width} height={settings.height} />
      </button>
      <button
        type="button"
        class="star"
        aria-label={words.star}
        aria-pressed={record.starred}
        onClick={() => void star(record)}
      >
        <Star />
      </button>
    </article>
  );
}
