/**
 * AWS CloudTrail records as events, with all six facts and nothing lost: whatever has no member of its own is in
 * `context`, verbatim, and `recordOfEvent` gives the record back, which the tests hold for every record they have.
 *
 *   eventID, eventTime             event_id, occurred_at
 *   userIdentity                   actor: principal, session, how it authenticated, and the chain it acted through
 *   eventSource + eventName        action, as service.EventName
 *   resources, requestParameters   target: the first resource named
 *   errorCode                      outcome and authorization: CloudTrail says of a decision only that it was a denial
 *   requestParameters              changes of a call that writes, context of one that reads
 *
 * Pure: no clock, no network. https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
 */
import { hexEncode, utf8Encode } from '../../proofs/bytes.ts';
import { canonicalJson, type JsonObject, type JsonValue } from '../../proofs/canonical-json.ts';
import { isObject } from '../../proofs/fields.ts';
import { sha256 } from '../../proofs/hash.ts';
import { jsonPointer } from '../../proofs/strict-json.ts';
import {
  MAX_ACTION_CHARACTERS,
  MAX_CHANGES,
  MAX_CONTEXT_KEY_CHARACTERS,
  MAX_CONTEXT_KEYS,
  MAX_EVENT_ID_CHARACTERS,
  MAX_POINTER_CHARACTERS,
} from '../events/limits.ts';
import { parseTimeUs } from '../events/time.ts';
import { actorOf } from './cloudtrail-actor.ts';
import { CloudTrailError, idText, memberOf, nameText } from './cloudtrail-record.ts';
import { targetOf } from './cloudtrail-target.ts';

/** Members of a record that the mapping knows, and what they are called in `context`. */
const CONTEXT_NAMES: Readonly<Record<string, string>> = {
  additionalEventData: 'additional_event_data',
  addendum: 'addendum',
  apiVersion: 'api_version',
  awsRegion: 'region',
  edgeDeviceDetails: 'edge_device_details',
  errorCode: 'error_code',
  errorMessage: 'error_message',
  eventCategory: 'event_category',
  eventContext: 'event_context',
  eventName: 'event_name',
  eventSource: 'event_source',
  eventType: 'event_type',
  eventVersion: 'event_version',
  insightDetails: 'insight_details',
  managementEvent: 'management_event',
  readOnly: 'read_only',
  recipientAccountId: 'recipient_account_id',
  requestID: 'request_id',
  requestParameters: 'request_parameters',
  resources: 'resources',
  responseElements: 'response_elements',
  serviceEventDetails: 'service_event_details',
  sessionCredentialFromConsole: 'session_credential_from_console',
  sharedEventID: 'shared_event_id',
  sourceIPAddress: 'ip',
  tlsDetails: 'tls_details',
  userAgent: 'user_agent',
  userIdentity: 'user_identity',
  vpcEndpointAccountId: 'vpc_endpoint_account_id',
  vpcEndpointId: 'vpc_endpoint_id',
};
const RECORD_NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries(CONTEXT_NAMES).map(([recordName, contextName]) => [contextName, recordName]),
);
/** Where members go that cannot stand in `context` under their own names. */
const OTHER = 'other';
/** Begins the ids of events whose records have none that serves. */
const MADE_ID_PREFIX = 'cloudtrail:';

/** The event of one record; it passes validation. Throws CloudTrailError `no-time` for a record without a valid time. */
export function eventOfRecord(record: JsonObject): JsonObject {
  const occurredAt = record['eventTime'];
  if (typeof occurredAt !== 'string' || parseTimeUs(occurredAt) === undefined) {
    throw new CloudTrailError('no-time', 'the record has no valid eventTime');
  }
  const eventId = eventIdOf(record);
  const actor = actorOf(record);
  const tenant = idText(record['recipientAccountId']) ?? idText(memberOf(record, 'userIdentity', 'accountId'));
  const correlationId = idText(record['sharedEventID']) ?? idText(record['requestID']);
  const outcome = outcomeOf(record);
  const changes = changesOf(record);
  const moved = new Set(['eventTime']);
  if (eventId === record['eventID']) moved.add('eventID');
  if (changes !== undefined) moved.add('requestParameters');
  return {
    event_id: eventId,
    occurred_at: occurredAt,
    ...(tenant !== undefined && { tenant }),
    actor,
    action: actionOf(record),
    target: targetOf(record),
    outcome,
    authorization: { decision: outcome['result'] === 'denied' ? 'deny' : 'allow' },
    ...(changes !== undefined && { changes }),
    ...(correlationId !== undefined && { correlation_id: correlationId }),
    context: contextOf(record, moved),
  };
}

/** The record that `eventOfRecord` made this event of. */
export function recordOfEvent(event: JsonObject): JsonObject {
  const members: [string, JsonValue][] = [];
  const { event_id: eventId, occurred_at: occurredAt, changes } = event;
  if (typeof eventId === 'string' && !eventId.startsWith(MADE_ID_PREFIX)) members.push(['eventID', eventId]);
  if (occurredAt !== undefined) members.push(['eventTime', occurredAt]);
  if (Array.isArray(changes)) members.push(['requestParameters', parametersOf(changes)]);
  for (const [name, value] of Object.entries(isObject(event['context']) ? event['context'] : {})) {
    if (name === OTHER && isObject(value)) members.push(...Object.entries(value));
    else members.push([RECORD_NAMES.get(name) ?? name, value]);
  }
  return Object.fromEntries(members);
}

function eventIdOf(record: JsonObject): string {
  const id = record['eventID'];
  const serves =
    typeof id === 'string' &&
    id.length <= MAX_EVENT_ID_CHARACTERS &&
    /^[A-Za-z0-9._:-]+$/.test(id) &&
    !id.startsWith(MADE_ID_PREFIX);
  // A digest of the whole record: importing it again finds it again.
  return serves ? id : `${MADE_ID_PREFIX}${hexEncode(sha256(utf8Encode(canonicalJson(record))))}`;
}

/** `s3.amazonaws.com` and `GetBucketAcl` make `s3.GetBucketAcl`. Both stand verbatim in the context. */
function actionOf(record: JsonObject): string {
  const source = nameText(record['eventSource']) ?? 'aws';
  const words = [source.replace(/\.amazonaws\.com$/, ''), nameText(record['eventName']) ?? 'unknown']
    .flatMap((word) => word.split('.'))
    .map((word) => word.replaceAll(/[^A-Za-z0-9_-]+/g, '-'))
    .filter((word) => word !== '');
  const action = (words.length > 1 ? words : ['aws', ...words, 'unknown'].slice(0, 2)).join('.');
  return (/^[A-Za-z]/.test(action) ? action : `aws-${action}`).slice(0, MAX_ACTION_CHARACTERS).replace(/\.$/, '');
}

const DENIED = /access-?denied|unauthori[sz]ed|not-?authori[sz]ed|authorization-?(error|fail)|auth-?failure|forbidden/i;

function outcomeOf(record: JsonObject): JsonObject {
  const { errorCode, errorMessage } = record;
  const code = nameText(errorCode);
  if (code !== undefined) return { result: DENIED.test(code) ? 'denied' : 'failure', code };
  // A failed sign-in has a message and no code, and says so in its response.
  const signIn = memberOf(record, 'responseElements', record['eventName']);
  const failed = isGiven(errorCode) || isGiven(errorMessage) || signIn === 'Failure';
  return { result: failed ? 'failure' : 'success' };
}

function isGiven(value: JsonValue | undefined): boolean {
  return value !== undefined && value !== null && value !== '';
}

/** One change for each parameter of a call that writes; undefined if the parameters are better kept in the context. */
function changesOf(record: JsonObject): readonly JsonObject[] | undefined {
  const parameters = record['requestParameters'];
  if (!isWrite(record) || !isObject(parameters)) return undefined;
  const names = Object.keys(parameters);
  const changes = names.map((name) => ({ path: jsonPointer([name]), after: parameters[name] ?? null }));
  const fits =
    changes.length > 0 &&
    changes.length <= MAX_CHANGES &&
    changes.every(({ path }) => path.length <= MAX_POINTER_CHARACTERS);
  return fits ? changes : undefined;
}

function parametersOf(changes: readonly JsonValue[]): JsonObject {
  return Object.fromEntries(
    changes.filter(isObject).map(({ path, after }): [string, JsonValue] => {
      const name = String(path).slice(1).replaceAll('~1', '/').replaceAll('~0', '~');
      return [name, after ?? null];
    }),
  );
}

const READS = /^(Get|List|Describe|Head|Lookup|Search|Query|Scan|BatchGet|Check|View|Select|Preview|Simulate)/;

/** Records before version 1.06 do not say `readOnly`; then the name has to. */
function isWrite(record: JsonObject): boolean {
  const readOnly = record['readOnly'];
  if (readOnly === true || readOnly === 'true') return false;
  if (readOnly === false || readOnly === 'false') return true;
  return !READS.test(String(record['eventName']));
}

/** Everything but what was moved into members of the event, known members under our names, others under their own. */
function contextOf(record: JsonObject, moved: ReadonlySet<string>): JsonObject {
  const known: [string, JsonValue][] = [];
  const unknown: [string, JsonValue][] = [];
  for (const [name, value] of Object.entries(record)) {
    if (moved.has(name)) continue;
    const contextName = Object.hasOwn(CONTEXT_NAMES, name) ? CONTEXT_NAMES[name] : undefined;
    if (contextName !== undefined) known.push([contextName, value]);
    else unknown.push([name, value]);
  }
  const plain = unknown.filter(([name]) => standsInContext(name));
  const fits = known.length + plain.length < MAX_CONTEXT_KEYS;
  const other = fits ? unknown.filter(([name]) => !standsInContext(name)) : unknown;
  return Object.fromEntries([
    ...known,
    ...(fits ? plain : []),
    ...(other.length > 0 ? [[OTHER, Object.fromEntries(other)] as const] : []),
  ]);
}

/** Whether a member may keep its name: it must not look like one of ours. */
function standsInContext(name: string): boolean {
  const taken = name === OTHER || name === 'eventID' || RECORD_NAMES.has(name);
  return !taken && name !== '' && name.length <= MAX_CONTEXT_KEY_CHARACTERS;
}
