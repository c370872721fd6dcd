/**
 * Who did it, from a record's `userIdentity`: the principal, its session, how it authenticated, and the chain that it acted
 * through. What is taken from there also stays in the context, verbatim, so that a choice made here loses nothing.
 *
 *   AssumedRole AROA…:session   { type: role, id: AROA…, session, role, auth, delegation: [service?, the role's issuer, …] }
 *   IAMUser                     { type: user, id: AIDA…, session if its credentials are temporary, auth }
 *   AWSService, or no type      { type: service, id: ec2.amazonaws.com }
 */
import { hexEncode, utf8Encode } from '../../proofs/bytes.ts';
import type { JsonObject, JsonValue } from '../../proofs/canonical-json.ts';
import { sha256 } from '../../proofs/hash.ts';
import { MAX_NAME_CHARACTERS } from '../events/limits.ts';
import { parseTimeUs } from '../events/time.ts';
import { idText, memberOf, nameText } from './cloudtrail-record.ts';

/** What CloudTrail's types of identity are as actors. */
const ACTOR_TYPES: Readonly<Record<string, string>> = {
  Root: 'user',
  IAMUser: 'user',
  IdentityCenterUser: 'user',
  FederatedUser: 'user',
  Directory: 'user',
  SAMLUser: 'user',
  WebIdentityUser: 'user',
  AssumedRole: 'role',
  Role: 'role',
  AWSAccount: 'account',
  AWSService: 'service',
};

/** Prefix of temporary credentials' key ids; those of users' own keys begin with AKIA. */
const TEMPORARY_KEY = 'ASIA';

export function actorOf(record: JsonObject): JsonObject {
  const identity = record['userIdentity'];
  const { type, id } = principalOf(record, identity);
  const tenant = idText(memberOf(identity, 'accountId'));
  const role = roleOf(identity);
  const session = sessionOf(identity);
  const auth = authOf(record, identity);
  const delegation = chainOf(identity).filter((step) => step['id'] !== id || step['type'] !== type);
  return {
    type,
    id,
    ...(role !== undefined && { role }),
    ...(session !== undefined && { session }),
    ...(tenant !== undefined && { tenant }),
    ...(auth !== undefined && { auth }),
    ...(delegation.length > 0 && { delegation }),
  };
}

function principalOf(record: JsonObject, identity: JsonValue | undefined): { type: string; id: string } {
  const type = nameText(memberOf(identity, 'type'));
  const principalId = idText(memberOf(identity, 'principalId'));
  const accountId = idText(memberOf(identity, 'accountId'));
  const invokedBy = idText(memberOf(identity, 'invokedBy'));
  const source = idText(record['eventSource']) ?? 'unknown';
  if (type === 'AWSService' || type === undefined) {
    const known = invokedBy ?? (type === undefined ? principalId : undefined);
    if (known === undefined && type === undefined && accountId !== undefined) return { type: 'account', id: accountId };
    return { type: 'service', id: idWithoutMail(known ?? source) };
  }
  const ownId =
    type === 'AssumedRole' && principalId !== undefined
      ? beforeColon(principalId)
      : (idText(memberOf(identity, 'onBehalfOf', 'userId')) ??
        principalId ??
        idText(memberOf(identity, 'arn')) ??
        idText(memberOf(identity, 'credentialId')) ??
        idText(memberOf(identity, 'accessKeyId')) ??
        idText(memberOf(identity, 'userName')) ??
        accountId ??
        source);
  return { type: actorType(type), id: idWithoutMail(ownId) };
}

function actorType(type: string): string {
  if (Object.hasOwn(ACTOR_TYPES, type)) return ACTOR_TYPES[type] ?? type;
  const word = type.replaceAll(/[^A-Za-z0-9_.:-]+/g, '_').toLowerCase();
  return /^[a-z]/.test(word) ? word.slice(0, MAX_NAME_CHARACTERS) : 'unknown';
}

/** E1: an id is never an e-mail address. A digest tells such principals apart; the context says who they are. */
function idWithoutMail(id: string): string {
  return id.includes('@') ? `sha256:${hexEncode(sha256(utf8Encode(id)))}` : id;
}

/** `AROA…:session-name`: the role's own id, which lasts, and the session's name, which may be a person's. */
function beforeColon(principalId: string): string {
  const colon = principalId.indexOf(':');
  return colon > 0 ? principalId.slice(0, colon) : principalId;
}

function roleOf(identity: JsonValue | undefined): string | undefined {
  if (memberOf(identity, 'type') === 'Root') return 'root';
  return nameText(memberOf(identity, 'sessionContext', 'sessionIssuer', 'userName'));
}

function sessionOf(identity: JsonValue | undefined): string | undefined {
  const principalId = idText(memberOf(identity, 'principalId'));
  const keyId = idText(memberOf(identity, 'accessKeyId'));
  if (memberOf(identity, 'type') === 'AssumedRole' && principalId?.includes(':')) {
    return idText(principalId.slice(principalId.indexOf(':') + 1)) ?? keyId;
  }
  return keyId?.startsWith(TEMPORARY_KEY) ? keyId : undefined;
}

function authOf(record: JsonObject, identity: JsonValue | undefined): JsonObject | undefined {
  const keyId = nameText(memberOf(identity, 'accessKeyId'));
  const attributes = memberOf(identity, 'sessionContext', 'attributes');
  const since = memberOf(attributes, 'creationDate');
  const mfa = mfaOf(record, attributes);
  const provider =
    nameText(memberOf(identity, 'sessionContext', 'webIdFederationData', 'federatedProvider')) ??
    nameText(memberOf(identity, 'identityProvider'));
  const authenticatedAt = typeof since === 'string' && parseTimeUs(since) !== undefined ? since : undefined;
  const method = methodOf(record, keyId, provider);
  if ([keyId, mfa, provider, authenticatedAt, method].every((part) => part === undefined)) return undefined;
  return {
    method: method ?? 'unknown',
    ...(provider !== undefined && { provider }),
    ...(mfa !== undefined && { mfa }),
    ...(keyId !== undefined && { key_id: keyId }),
    ...(authenticatedAt !== undefined && { authenticated_at: authenticatedAt }),
  };
}

function methodOf(record: JsonObject, keyId: string | undefined, provider: string | undefined): string | undefined {
  if (provider !== undefined) return 'federation';
  if (record['eventType'] === 'AwsConsoleSignIn') return 'password';
  if (keyId === undefined) return undefined;
  return keyId.startsWith(TEMPORARY_KEY) ? 'temporary_credentials' : 'api_key';
}

function mfaOf(record: JsonObject, attributes: JsonValue | undefined): boolean | undefined {
  const said = memberOf(attributes, 'mfaAuthenticated') ?? memberOf(record, 'additionalEventData', 'MFAUsed');
  if (said === true || said === 'true' || said === 'Yes') return true;
  return said === false || said === 'false' || said === 'No' ? false : undefined;
}

/** Nearest first: the service that made the call, the role that was assumed, whoever assumed it or stands behind it. */
function chainOf(identity: JsonValue | undefined): readonly JsonObject[] {
  const issuer = memberOf(identity, 'sessionContext', 'sessionIssuer');
  const issuerId = idText(memberOf(issuer, 'principalId')) ?? idText(memberOf(issuer, 'arn'));
  const issuerRole = nameText(memberOf(issuer, 'userName'));
  const issuerTenant = idText(memberOf(issuer, 'accountId'));
  const issuerType = actorType(nameText(memberOf(issuer, 'type')) ?? 'Role');
  return [
    step('service', memberOf(identity, 'invokedBy')),
    issuerId === undefined
      ? undefined
      : {
          // The issuer of a role's session is the role, as the actor's id is: the ARN tells the two apart.
          type: issuerType,
          id: idWithoutMail(idText(memberOf(issuer, 'arn')) ?? issuerId),
          ...(issuerRole !== undefined && { role: issuerRole }),
          ...(issuerTenant !== undefined && { tenant: issuerTenant }),
        },
    step('identity_provider', memberOf(identity, 'sessionContext', 'webIdFederationData', 'federatedProvider')),
    step('source_identity', memberOf(identity, 'sessionContext', 'sourceIdentity')),
    step('user', memberOf(identity, 'onBehalfOf', 'userId')),
  ].filter((found) => found !== undefined);
}

function step(type: string, value: JsonValue | undefined): JsonObject | undefined {
  const id = idText(value);
  return id === undefined ? undefined : { type, id: idWithoutMail(id) };
}
