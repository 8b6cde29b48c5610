// Who calls: an access key out of the link's fragment, or a token from the sign-in page (code + PKCE, RFC 7636).
// A key is never in an address, a log, the history or an error; a token stays in memory.

import { computed, signal } from '@preact/signals';

export type AccessSettings =
  | { mode: 'api_key' }
  | { mode: 'cognito'; authorize_url: string; token_url: string; logout_url: string; client_id: string; scope: string };

const KEY = 'sdxl.key';
const SIGN_IN = 'sdxl.sign-in';
// What API Gateway and this page accept as a key: visible characters of ASCII.
const VISIBLE = /^[!-~]{1,200}$/;

export const accessSettings = signal<AccessSettings>({ mode: 'api_key' });
const credential = signal('');
/** The service refused the credential. */
export const accessRefused = signal(false);
export const signInFailed = signal(false);
export const isRemembered = signal(false);
export const hasAccess = computed(() => credential.value !== '' && !accessRefused.value);

/** The page's own address, without query and fragment: where a sign-in comes back to, and what a link starts with. */
export const pageAddress = (): string => location.origin + location.pathname;

/** Reads `key` out of the fragment's parameters; a stored key if there is none. */
export function startWithKey(fragment: URLSearchParams): void {
  const given = fragment.get('key');
  isRemembered.value = localStorage.getItem(KEY) !== null;
  if (given !== null && VISIBLE.test(given)) useKey(given, isRemembered.value);
  else credential.value = sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY) ?? '';
}

export function useKey(key: string, remember: boolean): void {
  credential.value = key.trim();
  accessRefused.value = false;
  sessionStorage.setItem(KEY, credential.value);
  rememberKey(remember);
}

export function rememberKey(remember: boolean): void {
  isRemembered.value = remember;
  if (remember) localStorage.setItem(KEY, credential.value);
  else localStorage.removeItem(KEY);
}

export function forget(): void {
  credential.value = '';
  sessionStorage.removeItem(KEY);
  rememberKey(false);
  const access = accessSettings.value;
  if (access.mode === 'cognito') {
    const query = new URLSearchParams({ client_id: access.client_id, logout_uri: pageAddress() });
    location.assign(`${access.logout_url}?${query}`);
  }
}

export function authorization(): Record<string, string> {
  return credential.value === '' ? {} : { Authorization: `Bearer ${credential.value}` };
}

/** Goes to the sign-in page, which comes back with a code. */
export async function signIn(): Promise<void> {
  const access = accessSettings.value;
  if (access.mode !== 'cognito') return;
  const verifier = random();
  const state = random();
  sessionStorage.setItem(SIGN_IN, JSON.stringify({ verifier, state }));
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier));
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: access.client_id,
    redirect_uri: pageAddress(),
    scope: access.scope,
    state,
    code_challenge_method: 'S256',
    code_challenge: base64url(new Uint8Array(digest)),
  });
  location.assign(`${access.authorize_url}?${query}`);
}

/** Changes the code in `query` into a token. Does nothing where there is no code, or none that this page requested. */
export async function finishSignIn(query: URLSearchParams): Promise<void> {
  const access = accessSettings.value;
  const begun = sessionStorage.getItem(SIGN_IN);
  sessionStorage.removeItem(SIGN_IN);
  if (access.mode !== 'cognito' || begun === null) return;
  const { verifier, state } = JSON.parse(begun) as { verifier: string; state: string };
  const code = query.get('code');
  if (code === null || query.get('state') !== state) {
    signInFailed.value = query.has('error') || query.has('code');
    return;
  }
  try {
    const response = await fetch(access.token_url, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        client_id: access.client_id,
        redirect_uri: pageAddress(),
        code,
        code_verifier: verifier,
      }),
    });
    const answer = (await response.json()) as { access_token?: unknown };
    if (!response.ok || typeof answer.access_token !== 'string') throw new Error('no token');
    credential.value = answer.access_token;
    accessRefused.value = false;
  } catch {
    signInFailed.value = true;
  }
}

function random(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

export function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}
