// Starts the page: who calls, what the service can do, what this browser keeps.

import './style.css';
import { effect, useSignal } from '@preact/signals';
import { render } from 'preact';
import {
  accessRefused,
  accessSettings,
  finishSignIn,
  forget,
  hasAccess,
  isRemembered,
  rememberKey,
  signIn,
  signInFailed,
  startWithKey,
  useKey,
} from './access';
import { loadAccessSettings, loadPresets, presets, serviceState, watchService } from './api';
import { Form } from './form';
import { Gallery } from './gallery';
import { loadHistory } from './history';
import { Repaint } from './repaint';
import { announcement } from './runs';
import { readLink } from './settings';
import { openedId, repainted, startForm, take, toast } from './studio';
import { texts } from './texts';
import { Viewer, useFocusReturn } from './viewer';

function App() {
  useFocusReturn();
  return (
    <>
      <header class="top">
        <h1>{texts.title}</h1>
        <p class="service" data-state={serviceState.value} role="status">
          {texts.state[serviceState.value]}
        </p>
        {hasAccess.value && <Account />}
      </header>
      <main>
        {hasAccess.value ? <Form /> : <Access />}
        <Gallery />
      </main>
      <Viewer />
      <Repaint />
      <p class="hidden" role="status" aria-label={texts.live}>
        {announcement.value}
      </p>
      <Toast />
    </>
  );
}

function Account() {
  if (accessSettings.value.mode === 'cognito') {
    return (
      <button type="button" class="link" onClick={forget}>
        {texts.access.signOut}
      </button>
    );
  }
  return (
    <div class="account">
      <label class="check">
        <input
          type="checkbox"
          checked={isRemembered.value}
          onChange={(event) => rememberKey(event.currentTarget.checked)}
        />
        {texts.access.kept}
      </label>
      <button type="button" class="link" onClick={forget}>
        {texts.access.forget}
      </button>
    </div>
  );
}

function Access() {
  const key = useSignal('');
  const remember = useSignal(isRemembered.value);
  if (accessSettings.value.mode === 'cognito') {
    return (
      <div class="form access">
        <h2>{texts.access.heading}</h2>
        <p role="alert">{signInFailed.value ? texts.access.signInFailed : texts.access.signInIntro}</p>
        <button type="button" class="primary" onClick={() => void signIn()}>
          {texts.access.signIn}
        </button>
      </div>
    );
  }
  return (
    <form
      class="form access"
      onSubmit={(event) => {
        event.preventDefault();
        useKey(key.value, remember.value);
      }}
    >
      <h2>{texts.access.heading}</h2>
      {accessRefused.value ? (
        <p class="problem" role="alert">
          {texts.access.wrong}
        </p>
      ) : (
        <p>{texts.access.intro}</p>
      )}
      <label for="key">{texts.access.key}</label>
      <input
        id="key"
        type="password"
        autocomplete="off"
        required
        value={key.value}
        onInput={(event) => (key.value = event.currentTarget.value)}
      />
      <label class="check">
        <input
          type="checkbox"
          checked={remember.value}
          onChange={(event) => (remember.value = event.currentTarget.checked)}
        />
        {texts.access.remember}
      </label>
      <button type="submit" class="primary">
        {texts.access.open}
      </button>
    </form>
  );
}

function Toast() {
  const shown = toast.value;
  return (
    <div class="toasts" role="status">
      {shown && (
        <p class="toast">
          {shown.message}
          {shown.action && (
            <button
              type="button"
              onClick={() => {
                toast.value = null;
                shown.act?.();
              }}
            >
              {shown.action}
            </button>
          )}
        </p>
      )}
    </div>
  );
}

/** Images come from everywhere on the page: dropped or pasted. */
function watchFiles(): void {
  const isBusy = () => openedId.value !== null || repainted.value !== null;
  document.addEventListener('dragover', (event) => event.preventDefault());
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    const file = event.dataTransfer?.files[0];
    if (file !== undefined && !isBusy()) void take(file, false);
  });
  document.addEventListener('paste', (event) => {
    const file = event.clipboardData?.files[0];
    if (file !== undefined && !isBusy()) void take(file, false);
  });
}

async function start(): Promise<void> {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const query = new URLSearchParams(location.search);
  // Before anything else can read or send them.
  history.replaceState(null, '', location.pathname);
  startWithKey(fragment);
  render(<App />, document.body);
  watchFiles();
  document.addEventListener('visibilitychange', () => void watchService());
  void watchService();
  void loadHistory();
  accessSettings.value = await loadAccessSettings();
  await finishSignIn(query);
  const linked = readLink(fragment);
  effect(() => {
    if (hasAccess.value && presets.peek() === null) void loadPresets();
  });
  let isStarted = false;
  effect(() => {
    const all = presets.value;
    if (all === null || isStarted) return;
    isStarted = true;
    startForm(all, linked);
  });
}

void start();
