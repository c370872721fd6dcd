/** Files of evidence: ids are foreign text and never leave the directory; a missing half is never skipped. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { findPairs } from '../../src/cli/evidence-files.ts';
import { evidenceStem } from '../../src/cli/fetch-evidence.ts';
import { withDirectory } from '../support/test-log.ts';

const free = (): boolean => false;

describe('the name of an event’s files', () => {
  it('is the event id where that is a plain file name', () => {
    expect(evidenceStem({ eventId: '01JH2K8Q-9_3W.5', index: 7 }, free)).toBe('01JH2K8Q-9_3W.5');
  });

  it.each(['../../etc/passwd', '..', '.', '.ssh', 'a/b', 'a\\b', 'a\0b', 'C:x', 'con*?', '~root', '', 'x'.repeat(300)])(
    'keeps %j inside its directory, as one visible name',
    (eventId) => {
      const stem = evidenceStem({ eventId, index: 7 }, free);
      expect(stem).toMatch(/^[A-Za-z0-9%_-][A-Za-z0-9%._-]*$/);
      expect(stem.length).toBeLessThanOrEqual(200);
      expect(path.dirname(path.join('/evidence', `${stem}.json`))).toBe('/evidence');
    },
  );

  it('is another one when two producers used the same id, or the id is not known', () => {
    expect(evidenceStem({ eventId: 'a', index: 7 }, (stem) => stem === 'a')).toBe('a~7');
    expect(evidenceStem({ eventId: undefined, index: 7 }, free)).toBe('event-7');
  });
});

describe('the pairs that a verification is about', () => {
  it('are all events and receipts of a directory, halves too, and nothing else', () =>
    withDirectory(async (directory) => {
      for (const name of ['a.json', 'a.tlog-proof', 'b.json', 'c.tlog-proof', 'README.txt']) {
        await writeFile(path.join(directory, name), '');
      }
      const pairs = await findPairs([directory], undefined);
      expect(pairs.map(({ event, receipt }) => [path.basename(event), path.basename(receipt)])).toEqual([
        ['a.json', 'a.tlog-proof'],
        ['b.json', 'b.tlog-proof'],
        ['c.json', 'c.tlog-proof'],
      ]);
    }));

  it('are none in an empty directory', () =>
    withDirectory(async (directory) => {
      expect(await findPairs([directory], undefined)).toEqual([]);
    }));

  it('take --proof for one file only', () =>
    withDirectory(async (directory) => {
      const file = path.join(directory, 'a.json');
      await writeFile(file, '');
      await mkdir(path.join(directory, 'd'));
      expect(await findPairs([file], 'x.tlog-proof')).toEqual([{ event: file, receipt: 'x.tlog-proof' }]);
      await expect(findPairs([file, file], 'x')).rejects.toMatchObject({ code: 'usage' });
      await expect(findPairs([path.join(directory, 'd')], 'x')).rejects.toMatchObject({ code: 'usage' });
      await expect(findPairs([path.join(directory, 'none.json')], undefined)).rejects.toMatchObject({
        code: 'unreadable-input',
      });
    }));
});
