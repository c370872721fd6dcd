/** A place to drop files on, with a button that opens the file picker: the input itself, so that the keyboard works. */

import { byId } from './dom.ts';
import { droppedFiles } from './evidence-files.ts';

/** `id` is that of the zone; the input inside has the same with `-input`. */
export function dropZone(id: string, onFiles: (files: readonly File[]) => void): void {
  const zone = byId(id, HTMLElement);
  const input = byId(`${id}-input`, HTMLInputElement);
  input.addEventListener('change', () => {
    const files = [...(input.files ?? [])];
    // The same file may be chosen again, after it was changed.
    input.value = '';
    if (files.length > 0) onFiles(files);
  });
  let inside = 0;
  const mark = (): void => {
    zone.classList.toggle('over', inside > 0);
  };
  zone.addEventListener('dragenter', () => {
    inside++;
    mark();
  });
  zone.addEventListener('dragleave', () => {
    inside--;
    mark();
  });
  zone.addEventListener('dragover', (event) => event.preventDefault());
  zone.addEventListener('drop', (event) => {
    event.preventDefault();
    event.stopPropagation();
    inside = 0;
    mark();
    if (event.dataTransfer === null) return;
    droppedFiles(event.dataTransfer).then(
      (files) => {
        if (files.length > 0) onFiles(files);
      },
      () => undefined,
    );
  });
}

/** A file that misses its zone must not replace the page. */
export function refuseStrayDrops(): void {
  for (const type of ['dragover', 'drop'] as const) {
    window.addEventListener(type, (event) => event.preventDefault());
  }
}
