/** Flags and configuration files: what they come to, and which are refused. */
import { describe, expect, it } from 'vitest';
import { makeSignerKey, verifierKeyOf } from '../../proofs/key.ts';
import { type ConfigFlags, readConfig, type WitnessConfig } from '../../witness/config.ts';
import { seed } from './support/witness.ts';

const ORIGIN = 'log.example/one';
const vkeys = ([1, 6] as const).map((type) => verifierKeyOf(makeSignerKey(ORIGIN, type, seed(type))).vkey);
const [ed25519 = '', mldsa44 = ''] = vkeys;
const other = verifierKeyOf(makeSignerKey('log.example/two', 1, seed(9))).vkey;
const URL_ONE = 'http://127.0.0.1:8080/one';

function read(flags: Partial<ConfigFlags>, file?: unknown): WitnessConfig {
  const none = { log: [], logList: [], keyFile: [], keyEnv: [] };
  const text = file === undefined || typeof file === 'string' ? file : JSON.stringify(file);
  return readConfig({ ...none, data: '/data', ...flags }, text);
}

function refusal(flags: Partial<ConfigFlags>, file?: unknown): string {
  try {
    read(flags, file);
    return 'accepted';
  } catch (error) {
    expect(error).toMatchObject({ code: 'config-invalid' });
    return String(error);
  }
}

describe('the configuration', () => {
  it('from flags: logs with several keys are one log, and everything else has a default', () => {
    const config = read({
      name: 'w',
      log: [`${ed25519} ${URL_ONE}/`, `${mldsa44} ${URL_ONE}`, `${ed25519} ${URL_ONE}`, other],
    });
    expect(config.logs.map(({ origin, url, keys }) => ({ origin, url, vkeys: keys.map(({ vkey }) => vkey) }))).toEqual([
      { origin: ORIGIN, url: URL_ONE, vkeys: [ed25519, mldsa44] },
      { origin: 'log.example/two', url: undefined, vkeys: [other] },
    ]);
    expect(config).toMatchObject({
      name: 'w',
      dataDirectory: '/data',
      listen: { host: '127.0.0.1', port: 0 },
      logListUrls: [],
      pollMs: 1000,
      rateLimit: { perSecond: 100, burst: 200 },
      keySources: { files: [], variables: [] },
    });
  });

  it('from a file, with flags winning and lists adding up', () => {
    const file = {
      name: 'w',
      data: '/elsewhere',
      listen: '[::1]:7001',
      poll_ms: 500,
      logs: [{ origin: 'log.example/own-origin', vkeys, url: URL_ONE }],
      log_lists: ['https://lists.example/logs.txt'],
      requests_per_second: 7,
      burst: 9,
      key_files: ['/a.key'],
      key_variables: ['KEY'],
      ssh_agent: { socket: '/agent', fingerprint: 'SHA256:x' },
    };
    expect(read({ pollMs: '250', listen: '7002', log: [other], keyFile: ['/b.key'] }, file)).toMatchObject({
      dataDirectory: '/data',
      listen: { host: '127.0.0.1', port: 7002 },
      pollMs: 250,
      logs: [{ origin: 'log.example/own-origin', url: URL_ONE }, { origin: 'log.example/two' }],
      logListUrls: ['https://lists.example/logs.txt'],
      rateLimit: { perSecond: 7, burst: 9 },
      keySources: {
        files: ['/a.key', '/b.key'],
        variables: ['KEY'],
        agent: { socketPath: '/agent', fingerprint: 'SHA256:x' },
      },
    });
    expect(read({}, file).listen).toEqual({ host: '::1', port: 7001 });
  });

  it('is refused, naming the flag or member, for anything that is not understood', () => {
    const { data: _, ...withoutData } = { data: '' };
    expect(() => readConfig({ log: [], logList: [], keyFile: [], keyEnv: [], ...withoutData }, undefined)).toThrow(
      /--data/,
    );
    for (const [flags, named] of [
      [{ log: [`${ed25519} ${URL_ONE} more`] }, '--log'],
      [{ log: ['hello'] }, '--log'],
      [{ log: [`${ed25519}x ${URL_ONE}`] }, '--log'],
      [{ log: [`${ed25519} ftp://log.example`] }, 'ftp:'],
      [{ log: [`${ed25519} ${URL_ONE}?a=b`] }, 'URL'],
      [{ log: [`${ed25519} ${URL_ONE}`, `${mldsa44} http://127.0.0.1:8081/one`] }, 'two URLs'],
      [{ logList: ['lists.example'] }, 'log list'],
      [{ listen: '127.0.0.1' }, '--listen'],
      [{ listen: '127.0.0.1:70000' }, '--listen'],
      [{ listen: 'a:b:7001' }, '--listen'],
      [{ pollMs: '1e3' }, '--poll-ms'],
      [{ pollMs: '0' }, '--poll-ms'],
      [{ rate: '0' }, 'requests per second'],
    ] as const) {
      expect(refusal(flags), JSON.stringify(flags)).toContain(named);
    }
    for (const [file, named] of [
      ['{', 'JSON'],
      ['[]', 'not an object'],
      ['null', 'not an object'],
      [{ pollms: 1 }, 'pollms'],
      [{ name: 7 }, 'name'],
      [{ poll_ms: '5' }, 'poll_ms'],
      [{ poll_ms: 0.5 }, 'poll_ms'],
      [{ logs: {} }, 'logs'],
      [{ logs: [7] }, 'logs'],
      [{ logs: [{ vkeys: [] }] }, 'verifier key'],
      [{ logs: [{ vkeys: [ed25519], keys: [] }] }, 'keys'],
      [{ key_files: [1] }, 'key_files'],
      [{ ssh_agent: { path: '/x' } }, 'path'],
      [{ burst: 0 }, 'burst'],
    ] as const) {
      expect(refusal({}, file), JSON.stringify(file)).toContain(named);
    }
  });
});
