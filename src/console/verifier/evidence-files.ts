/** Files that were dropped or chosen: folders opened, receipts put beside their events, everything within bounds. */
import type { Evidence } from './verify-in-worker.ts';

/** More than anyone drops on purpose. */
export const MAX_FILES = 20_000;

const EVENT_SUFFIX = '.json';
const RECEIPT_SUFFIX = '.tlog-proof';

/** The files of a drop, those in folders included. The browser hands out entries only while the event lasts. */
export async function droppedFiles(transfer: DataTransfer): Promise<readonly File[]> {
  const entries = [...transfer.items].flatMap((item) => {
    const entry = item.webkitGetAsEntry();
    return entry === null ? [] : [entry];
  });
  if (!entries.some(({ isDirectory }) => isDirectory)) return [...transfer.files];
  const files: File[] = [];
  for (let entry = entries.shift(); entry !== undefined; entry = entries.shift()) {
    if (files.length >= MAX_FILES) break;
    if (isFileEntry(entry)) files.push(await fileOf(entry));
    else if (isFolderEntry(entry)) entries.push(...(await childrenOf(entry)));
  }
  return files;
}

/** As on the command line, `X.tlog-proof` is the receipt of `X.json`; so is a single receipt of a single event. */
export function pairFiles(files: readonly File[]): readonly Evidence[] {
  const receipts = new Map(files.filter(isReceipt).map((file) => [stemOf(file.name, RECEIPT_SUFFIX), file]));
  const [first, second] = files;
  if (files.length === 2 && first !== undefined && second !== undefined && isReceipt(first) !== isReceipt(second)) {
    const [receipt, event] = isReceipt(first) ? [first, second] : [second, first];
    if (event.name.endsWith(EVENT_SUFFIX)) return [{ name: event.name, file: event, receipt }];
  }
  const events = files.map((file): Evidence => {
    const receipt = file.name.endsWith(EVENT_SUFFIX) ? receipts.get(stemOf(file.name, EVENT_SUFFIX)) : undefined;
    return { name: file.name, file, ...(receipt !== undefined && { receipt }) };
  });
  const used = new Set(events.map(({ receipt }) => receipt));
  return events.filter(({ file }) => !(file instanceof File && used.has(file)));
}

function isReceipt({ name }: File): boolean {
  return name.endsWith(RECEIPT_SUFFIX);
}

function stemOf(name: string, suffix: string): string {
  return name.endsWith(suffix) ? name.slice(0, -suffix.length) : name;
}

function isFileEntry(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}

function isFolderEntry(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

/** Browsers give the children in portions; an empty one is the end. */
async function childrenOf(folder: FileSystemDirectoryEntry): Promise<readonly FileSystemEntry[]> {
  const reader = folder.createReader();
  const children: FileSystemEntry[] = [];
  while (children.length < MAX_FILES) {
    const portion = await new Promise<readonly FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (portion.length === 0) break;
    children.push(...portion);
  }
  return children.sort((a, b) => (a.name < b.name ? -1 : 1));
}
