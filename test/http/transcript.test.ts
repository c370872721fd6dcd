/**
 * A conversation with a log, to be read from top to bottom: each request as it is sent, each answer as it comes back.
 * Clock, randomness and request ids are fixed, so that the answers are exact.
 *
 * An answer lists the headers that matter; others may be there. `…` stands for one or more characters.
 */
import { describe, expect, it } from 'vitest';
import { ownEntries, type TestServer, testEvent, withServer } from '../support/http.ts';

const EVENT = JSON.stringify(testEvent('01JH2K8Q9R3W5T7V9X1Z3B5D7F'));

describe('a conversation', () => {
  it('from the first event to its receipt', () =>
    withServer(async (server) => {
      const { producer, auditor } = server;

      // A producer submits an event. It is durable, and its index final, when this answer comes.
      await says(
        server,
        `POST /test/events
         authorization: Bearer ${producer}
         content-type: application/json

         ${EVENT}`,
        `201
         content-type: application/json
         cache-control: no-store
         location: /test/events/by-index/0
         x-content-type-options: nosniff

         {"status":"accepted","event_id":"01JH2K8Q9R3W5T7V9X1Z3B5D7F","index":0,"log_time":"2026-01-08T14:32:07.000000Z","leaf_hash":"…"}`,
      );

      // The network failed and the producer sends it again: the first answer, word for word, with another status.
      await says(
        server,
        `POST /test/events
         authorization: Bearer ${producer}
         content-type: application/json; charset=utf-8

         ${EVENT}`,
        `200
         location: /test/events/by-index/0

         {"status":"duplicate","event_id":"01JH2K8Q9R3W5T7V9X1Z3B5D7F","index":0,"log_time":"2026-01-08T14:32:07.000000Z","leaf_hash":"…"}`,
      );

      // The same id for something else is refused, for ever.
      await says(
        server,
        `POST /test/events
         authorization: Bearer ${producer}
         content-type: application/json

         ${EVENT.replace('success', 'failure')}`,
        `422
         content-type: application/problem+json

         {"type":"urn:countersign:problem:event-id-conflict","title":"This event_id was used before, for other content","status":422,"detail":"This producer used this event_id before, for other content: the event 0 of this log. Nothing was stored.","instance":"urn:uuid:00000000-0000-4000-8000-000000000001","errors":[{"pointer":"/event_id","detail":"was used before, for other content"}],"index":0}`,
      );

      // No witness has cosigned it yet: there is no receipt, and it says when to come again.
      await says(
        server,
        `GET /test/events/01JH2K8Q9R3W5T7V9X1Z3B5D7F/proof
         authorization: Bearer ${auditor}`,
        `409
         content-type: application/problem+json
         retry-after: 1

         {"type":"urn:countersign:problem:not-yet-published","title":"The event is stored, and not yet under a published checkpoint","status":409,"detail":"The event 0 is durable; the published checkpoint covers 0 events and will follow.","instance":"urn:uuid:00000000-0000-4000-8000-000000000002","index":0,"published_size":0}`,
      );

      // Two of three witnesses cosign what is there: the event, and the entry that says that its id was used twice.
      await server.publish();
      await says(
        server,
        'GET /test/checkpoint',
        `200
         content-type: text/plain; charset=utf-8
         cache-control: no-cache
         access-control-allow-origin: *

         log.example/test
         2
         …

         — log.example/test …
         — witness.example/w1 …
         — witness.example/w2 …
         — witness.example/w3 …`,
      );
      // From here on each answer is a read, and each read is an entry that the answer names.
      await says(
        server,
        `GET /test/events/01JH2K8Q9R3W5T7V9X1Z3B5D7F/proof
         authorization: Bearer ${auditor}`,
        `200
         content-type: text/plain; charset=utf-8
         content-disposition: attachment; filename="0.tlog-proof"
         vary: accept
         countersign-read-entry: 2

         c2sp.org/tlog-proof@v1
         extra …
         index 0
         …

         log.example/test
         2
         …

         — log.example/test …
         — witness.example/w1 …
         — witness.example/w2 …
         — witness.example/w3 …`,
      );
      await says(
        server,
        `GET /test/events/by-index/0/proof
         authorization: Bearer ${auditor}
         accept: application/json`,
        `200
         content-type: application/json
         countersign-read-entry: 3

         {"index":0,"size":2,"leaf_hash":"…","proof":["…"],"checkpoint":"log.example/test\\n2\\n…\\n\\n…","entry":"…","receipt":"c2sp.org/tlog-proof@v1\\n…"}`,
      );

      // The auditor opens it, and finds it by what it says.
      await says(
        server,
        `GET /test/events/01JH2K8Q9R3W5T7V9X1Z3B5D7F
         authorization: Bearer ${auditor}`,
        `200
         content-type: application/json
         cache-control: no-store
         countersign-read-entry: 4

         {"card":"…","entry":"…","fields":{"action":{"salt":"…","value":"\\"role.grant\\""},…},"index":0}`,
      );
      await says(
        server,
        `GET /test/events?actor=u_8842&outcome=success
         authorization: Bearer ${auditor}`,
        `200
         content-type: application/json
         countersign-read-entry: 5

         {"origin":"log.example/test","tree_size":5,"published_size":2,"complete":true,"events":[{"index":0,"log_time":"2026-01-08T14:32:07.000000Z","event":{…}}]}`,
      );
      await says(
        server,
        `GET /test/events?q=actor:u_8842+outcome:denied
         authorization: Bearer ${auditor}`,
        `200
         countersign-read-entry: 6

         {"origin":"log.example/test","tree_size":6,"published_size":2,"complete":true,"events":[]}`,
      );
      expect((await ownEntries(server.log)).map(({ action, context }) => [action, context])).toEqual([
        [
          'countersign.security.event-id-conflict',
          { conflicts: [{ event_id: '01JH2K8Q9R3W5T7V9X1Z3B5D7F', index: 0 }], count: 1 },
        ],
        ['countersign.read.event', { what: 'receipt', results: 1 }],
        ['countersign.read.event', { what: 'receipt', results: 1 }],
        ['countersign.read.event', { what: 'event', results: 1 }],
        [
          'countersign.read.search',
          { query: 'actor:u_8842 outcome:success', tree_size: 5, from_index: 0, complete: true, results: 1 },
        ],
        [
          'countersign.read.search',
          { query: 'actor:u_8842 outcome:denied', tree_size: 6, from_index: 0, complete: true, results: 0 },
        ],
      ]);
    }));

  it('about a batch with bad lines in it', () =>
    withServer(async (server) => {
      await says(
        server,
        `POST /test/events
         authorization: Bearer ${server.producer}
         content-type: application/x-ndjson

         ${JSON.stringify(testEvent('b1'))}
         {"event_id":
         ${JSON.stringify(testEvent('b2', { actor: undefined }))}
         ${JSON.stringify(testEvent('b1'))}
         ${JSON.stringify(testEvent('b3'))}`,
        `200
         content-type: application/x-ndjson

         {"line":1,"status":"accepted","event_id":"b1","index":0,"log_time":"2026-01-08T14:32:07.000000Z","leaf_hash":"…"}
         {"line":2,"status":"refused","problem":{"type":"urn:countersign:problem:invalid-json",…}}
         {"line":3,"status":"refused","problem":{"type":"urn:countersign:problem:missing-member","title":"A member of the event is missing","status":422,"detail":"/actor: is required: …","errors":[{"code":"missing-member","pointer":"/actor","detail":"is required: …"}]}}
         {"line":4,"status":"duplicate","event_id":"b1","index":0,"log_time":"2026-01-08T14:32:07.000000Z","leaf_hash":"…"}
         {"line":5,"status":"accepted","event_id":"b3","index":1,"log_time":"2026-01-08T14:32:07.000001Z","leaf_hash":"…"}`,
      );
    }));

  it('with a producer who speaks CloudEvents', () =>
    withServer(async (server) => {
      const { event_id: _, ...data } = testEvent('');
      await says(
        server,
        `POST /test/events
         authorization: Bearer ${server.producer}
         content-type: application/cloudevents+json

         ${JSON.stringify({ specversion: '1.0', id: 'ce-1', source: '/billing', type: 'role.grant', data })}`,
        `201
         location: /test/events/by-index/0

         {"status":"accepted","event_id":"ce-1","index":0,"log_time":"2026-01-08T14:32:07.000000Z","leaf_hash":"…"}`,
      );
      await says(
        server,
        `POST /test/events
         authorization: Bearer ${server.producer}
         content-type: application/cloudevents+json

         {"specversion":"0.3","id":"ce-2"}`,
        `422

         {"type":"urn:countersign:problem:invalid-cloudevent",…"errors":[{"code":"invalid-cloudevent","pointer":"/specversion","detail":"must be \\"1.0\\""}]}`,
      );
    }));

  it('with somebody who has no token, or not the right one', () =>
    withServer(async (server) => {
      await says(
        server,
        'GET /test/events',
        `401
         content-type: application/problem+json
         www-authenticate: Bearer realm="test"

         {"type":"urn:countersign:problem:missing-token","title":"A bearer token is needed","status":401,"detail":"Send the header \\"Authorization: Bearer <token>\\".","instance":"…"}`,
      );
      await says(
        server,
        `GET /test/events
         authorization: Bearer ${server.auditor}x`,
        `401
         www-authenticate: Bearer realm="test", error="invalid_token"

         {"type":"urn:countersign:problem:invalid-token","title":"The bearer token is not valid here","status":401,"detail":"The token is malformed, unknown to this log, or revoked.","instance":"…"}`,
      );
      await says(
        server,
        `GET /test/events
         authorization: Bearer ${server.producer}`,
        `403

         {"type":"urn:countersign:problem:forbidden-role","title":"The role of this token does not allow this","status":403,"detail":"This needs a token of the role auditor; this one is producer.","instance":"…"}`,
      );
      await says(
        server,
        `POST /test/events
         authorization: Bearer ${server.admin}
         content-type: application/json

         ${EVENT}`,
        `403

         {"type":"urn:countersign:problem:forbidden-role","title":"The role of this token does not allow this","status":403,"detail":"This needs a token of the role producer; this one is admin.","instance":"…"}`,
      );
    }));

  it('about tokens', () =>
    withServer(async (server) => {
      await says(
        server,
        `POST /test/tokens
         authorization: Bearer ${server.admin}
         content-type: application/json

         {"role":"producer","name":"payments"}`,
        `201
         cache-control: no-store

         {"id":"tok_…","role":"producer","name":"payments","producer_id":"tok_…","created_at":"2026-01-08T14:32:07.000Z","revoked_at":null,"token":"cs_producer_…"}`,
      );
      const { id } = server.tokens.list()[3] ?? { id: '' };
      await says(
        server,
        `GET /test/tokens
         authorization: Bearer ${server.admin}`,
        `200

         {"tokens":[{…,"name":"billing",…},{…,"name":"ACME audit",…},{…,"name":"operations",…},{"id":"${id}","role":"producer","name":"payments","producer_id":"${id}","created_at":"2026-01-08T14:32:07.000Z","revoked_at":null}]}`,
      );
      await says(
        server,
        `DELETE /test/tokens/${id}
         authorization: Bearer ${server.admin}`,
        `204
         cache-control: no-store`,
      );
      await says(
        server,
        `DELETE /test/tokens/${id}
         authorization: Bearer ${server.admin}`,
        `404

         {"type":"urn:countersign:problem:unknown-token","title":"There is no such token","status":404,"detail":"there is no live token \\"${id}\\"","instance":"…"}`,
      );
      await says(
        server,
        `POST /test/tokens
         authorization: Bearer ${server.admin}
         content-type: application/json

         {"role":"root","name":""}`,
        `422

         {"type":"urn:countersign:problem:invalid-body",…"errors":[{"pointer":"/role",…},{"pointer":"/name",…}]}`,
      );
    }));
});

/** Sends the request and holds the answer against the text. Indentation of the test's own source is not part of either. */
async function says(server: TestServer, request: string, expected: string): Promise<void> {
  const [requestHead, requestBody] = parts(request);
  const [requestLine = '', ...requestHeaders] = requestHead;
  const [method = '', path = ''] = requestLine.split(' ');
  const response = await fetch(server.url + path, {
    method,
    headers: Object.fromEntries(requestHeaders.map(header)),
    ...(requestBody === '' ? {} : { body: requestBody }),
  });
  const [[status = '', ...headers], body] = parts(expected);
  const text = await response.text();
  const actual = [
    String(response.status),
    ...headers.map(header).map(([name]) => `${name}: ${response.headers.get(name)}`),
    '',
    text.trimEnd(),
  ].join('\n');
  expect(actual, `${requestLine}\n`).toMatch(pattern([status, ...headers, '', body].join('\n')));
}

function parts(text: string): [head: string[], body: string] {
  const lines = text.split('\n').map((line) => line.trim());
  const blank = lines.indexOf('');
  return blank === -1 ? [lines, ''] : [lines.slice(0, blank), lines.slice(blank + 1).join('\n')];
}

function header(line: string): [name: string, value: string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon), line.slice(colon + 1).trim()];
}

function pattern(text: string): RegExp {
  return new RegExp(
    `^${text
      .split('…')
      .map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
      .join('[^]+?')}$`,
  );
}
