/** The mapping of controls that a verb was given: a file, or the one that comes with this program. */
import { type Control, type ControlMapping, ControlsError, parseControls } from '../evidence/controls/mapping.ts';
import { readShippedControls } from '../evidence/controls/shipped.ts';
import { CliError } from './errors.ts';
import { readInput } from './files.ts';

export const MAPPING_HELP = 'mapping of controls (YAML; default: the one that comes with this program)';

/** Throws CliError `unreadable-input` with the first fault; `controls check` lists them all. */
export async function readControls(file: string | undefined): Promise<ControlMapping> {
  const text = await readControlsText(file);
  try {
    return parseControls(text);
  } catch (error) {
    if (!(error instanceof ControlsError)) throw error;
    const more = error.faults.length > 1 ? `, and ${error.faults.length - 1} more faults` : '';
    throw new CliError('unreadable-input', `${file ?? 'the mapping'}: ${error.message}${more}`);
  }
}

export function readControlsText(file: string | undefined): Promise<string> {
  return file === undefined ? readShippedControls() : readInput(file, 'the mapping of controls');
}

/** Throws CliError `usage`, with ids that look like it. */
export function controlById({ controls }: ControlMapping, id: string): Control {
  const control = controls.get(id);
  if (control !== undefined) return control;
  const wanted = id.toLowerCase().replace(/[^a-z0-9.]/g, '');
  const similar = [...controls.keys()].filter((one) =>
    one
      .toLowerCase()
      .replace(/[^a-z0-9.]/g, '')
      .includes(wanted),
  );
  const hint = similar.length === 0 ? 'See `countersign controls list`.' : `Did you mean ${similar.join(', ')}?`;
  throw new CliError('usage', `the mapping has no control ${id}`, hint);
}
