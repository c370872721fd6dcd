/** Bounds of one event. Nothing unbounded gets in, and whatever is over a bound is refused with its name, never cut. */

/** Bytes of one event as submitted, before it is parsed: white space and escapes have room. */
export const MAX_EVENT_INPUT_BYTES = 262_144;
/** Bytes of one event in its RFC 8785 form. */
export const MAX_EVENT_BYTES = 65_536;
/** Nesting of arrays and objects, the event itself included. */
export const MAX_EVENT_DEPTH = 32;
/** Members and array items of the whole event. */
export const MAX_EVENT_VALUES = 10_000;
/** Faults that one answer lists. */
export const MAX_FAULTS = 20;

export const MAX_EVENT_ID_CHARACTERS = 128;
export const MAX_ACTION_CHARACTERS = 256;
/** Ids of actors, targets, tenants and rules; an ARN has up to 2,048 characters. */
export const MAX_ID_CHARACTERS = 2_048;
/** Types, roles, methods, codes and the like. */
export const MAX_NAME_CHARACTERS = 256;
/** Free text: `details` and `reason`. */
export const MAX_TEXT_CHARACTERS = 500;
export const MAX_DELEGATION_STEPS = 16;
export const MAX_CHANGES = 256;
export const MAX_GRANTS = 64;
export const MAX_POINTER_CHARACTERS = 1_024;
export const MAX_CONTEXT_KEYS = 50;
export const MAX_CONTEXT_KEY_CHARACTERS = 256;

/** `occurred_at` lies in these years, inclusive: from the Unix epoch on, and safe as a number of microseconds. */
export const MIN_YEAR = 1970;
export const MAX_YEAR = 2200;
