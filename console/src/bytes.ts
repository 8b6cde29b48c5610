// Files byte by byte: the settings that the API writes into images, in a text chunk of a PNG (PNG specification 11.3.3.4)
// or in the XMP of a JPEG or WebP; and a zip that stores without compressing (PKWARE APPNOTE 4.3), because images are
// compressed already.

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const PREFIX = 'sdxl-settings\0\0\0\0\0';
const ENTITIES: Record<string, string> = { '&quot;': '"', '&amp;': '&', '&lt;': '<', '&gt;': '>', '&#x27;': "'" };
// Longer text is not for a form: it holds two prompts of 2,000 characters, which are at most 16,000 bytes.
const LONGEST_TEXT = 40_000;
const IHDR_END = 33;

/** The value in `image`, unchecked; undefined if there is none. */
export async function readSettings(image: Blob): Promise<unknown> {
  const bytes = await bytesOf(image);
  if (!isPng(bytes)) {
    const text = /sdxl:settings="([^"]*)"/.exec(new TextDecoder().decode(bytes))?.[1];
    return text && parsed(text.replace(/&(?:#x27|\w+);/g, (entity) => ENTITIES[entity] ?? ''));
  }
  const view = new DataView(bytes.buffer);
  for (let at = SIGNATURE.length; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (kind === 'IDAT' || at + 12 + length > bytes.length) return undefined;
    if (kind === 'iTXt' && length <= LONGEST_TEXT) {
      const value = parse(bytes.subarray(at + 8, at + 8 + length));
      if (value !== undefined) return value;
    }
    at += 12 + length;
  }
  return undefined;
}

function parse(bytes: Uint8Array): unknown {
  const text = new TextDecoder().decode(bytes);
  return text.startsWith(PREFIX) ? parsed(text.slice(PREFIX.length)) : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isPng(bytes: Uint8Array): boolean {
  return bytes.length > IHDR_END && SIGNATURE.every((byte, index) => bytes[index] === byte);
}

async function bytesOf(file: Blob): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await file.arrayBuffer());
}

export interface Entry {
  name: string;
  changed: Date;
  file: Blob;
}

/** A zip of `entries`, whose names differ. Below 4 GB and 65,535 files, because it has no Zip64 fields. */
export async function zip(entries: AsyncIterable<Entry>): Promise<Blob> {
  const parts: BlobPart[] = [];
  const directory: BlobPart[] = [];
  let [offset, directorySize, count] = [0, 0, 0];
  for await (const { name, changed, file } of entries) {
    const path = new TextEncoder().encode(name);
    const date = ((changed.getFullYear() - 1980) << 9) | ((changed.getMonth() + 1) << 5) | changed.getDate();
    const time = (changed.getHours() << 11) | (changed.getMinutes() << 5) | (changed.getSeconds() >> 1);
    const crc = crc32(await bytesOf(file));
    // Version 2.0, names in UTF-8 (flag 11), stored; then time, date, CRC and both sizes.
    const format: Field[] = [[2, 20], [2, 0x800], [2, 0]];
    const fields: Field[] = [...format, [2, time], [2, date], [4, crc], [4, file.size], [4, file.size]];
    const lengths: Field[] = [[2, path.length], [2, 0]];
    const local = packed([[4, 0x04034b50], ...fields, ...lengths]);
    const listed = packed([[4, 0x02014b50], [2, 20], ...fields, ...lengths, [4, 0], [4, 0], [2, 0], [4, offset]]);
    parts.push(local, path, file);
    directory.push(listed, path);
    offset += local.length + path.length + file.size;
    directorySize += listed.length + path.length;
    count++;
  }
  const end = packed([[4, 0x06054b50], [4, 0], [2, count], [2, count], [4, directorySize], [4, offset], [2, 0]]);
  return new Blob([...parts, ...directory, end], { type: 'application/zip' });
}

/** How many bytes, and the number in them. */
type Field = [2 | 4, number];

function packed(fields: Field[]): Uint8Array<ArrayBuffer> {
  const bytes = fields.flatMap(([size, value]) =>
    Array.from({ length: size }, (_, index) => (value >>> (8 * index)) & 255),
  );
  return Uint8Array.from(bytes);
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ byte) & 255] ?? 0);
  return ~crc >>> 0;
}
