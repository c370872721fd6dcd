/** The catalogues that come with the program: enough, sensible, and without a gap for what AWS records. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { canonicalJson, type JsonObject } from '../../proofs/canonical-json.ts';
import { findAction } from '../../src/events/catalogue/catalogue.ts';
import { checkAgainstCatalogue } from '../../src/events/catalogue/check.ts';
import { titledOwnActions } from '../../src/events/catalogue/own-actions.ts';
import { parseCatalogue } from '../../src/events/catalogue/parse.ts';
import { readShippedCatalogue } from '../../src/events/catalogue/shipped.ts';
import { makeRedactor } from '../../src/events/redact/redact.ts';
import { eventOfRecord } from '../../src/sdk/cloudtrail.ts';

const STARTER = parseCatalogue(await readShippedCatalogue('starter'));
const CLOUDTRAIL = parseCatalogue(await readShippedCatalogue('cloudtrail'));
const CLASSES = ['financial', 'access', 'customer_data', 'control_configuration', 'bypass'];

describe('the starter catalogue', () => {
  it('has 60 actions and more, ten at least in each of the five classes', () => {
    expect(STARTER.actions.size).toBeGreaterThanOrEqual(60);
    expect(STARTER.patterns).toEqual([]);
    expect([...STARTER.classes.keys()]).toEqual(CLASSES);
    for (const name of CLASSES) {
      const count = [...STARTER.actions.values()].filter((rule) => rule.class === name).length;
      expect(count, name).toBeGreaterThanOrEqual(10);
    }
  });

  it('calls every action by a title of its own that reads as what somebody did', () => {
    const titles = [...STARTER.actions.values()].map(({ title }) => title);
    expect(new Set(titles).size).toBe(titles.length);
    for (const title of titles) expect(title).toMatch(/^[A-Z][a-z]+ [a-zA-Z ,'-]+$|^Signed (?:in|out)$/);
  });

  it('takes a bypass for a bypass, asks why, and keeps it for ever', () => {
    for (const rule of STARTER.actions.values()) {
      expect(rule.breakGlass).toBe(rule.class === 'bypass');
      if (rule.breakGlass) expect(rule).toMatchObject({ retention: 'critical' });
      if (rule.breakGlass) expect(rule.required).toContain('reason');
      expect(rule.retention).not.toBeNull();
    }
  });

  it('keeps what tells about a person apart in every event', () => {
    for (const rule of STARTER.actions.values()) {
      expect(rule.separatePaths).toEqual(expect.arrayContaining(['actor.session', 'context.ip', 'context.user_agent']));
    }
  });
});

describe('the CloudTrail catalogue', () => {
  const directory = path.resolve(import.meta.dirname, '../../../shared/data/cloudtrail');

  it('takes every record there is, each by something better than "anything"', async () => {
    const files = (await readdir(directory)).filter((file) => file.endsWith('.json'));
    const byFallback = new Set<string>();
    let count = 0;
    for (const file of files) {
      const { Records }: { Records: readonly JsonObject[] } = JSON.parse(
        await readFile(path.join(directory, file), 'utf8'),
      );
      for (const record of Records) {
        const event = eventOfRecord(record);
        expect(checkAgainstCatalogue(event, CLOUDTRAIL)).toEqual([]);
        const action = String(event['action']);
        if (findAction(CLOUDTRAIL, action)?.name === '*') byFallback.add(action);
        count++;
      }
    }
    expect(count).toBe(2_900);
    expect([...byFallback]).toEqual([]);
  });

  it.each([
    ['signin.ConsoleLogin', 'access'],
    ['sts.AssumeRole', 'access'],
    ['iam.CreateAccessKey', 'access'],
    ['iam.GetUser', 'observation'],
    ['cloudtrail.StopLogging', 'bypass'],
    ['cloudtrail.DescribeTrails', 'observation'],
    ['ec2.DescribeVpcs', 'observation'],
    ['ec2.RunInstances', 'infrastructure'],
    ['ec2.AuthorizeSecurityGroupIngress', 'control_configuration'],
    ['ec2.GetPasswordData', 'access'],
    ['kms.Decrypt', 'customer_data'],
    ['kms.GenerateDataKeyWithoutPlaintext', 'customer_data'],
    ['secretsmanager.GetSecretValue', 'access'],
    ['s3.GetObject', 'customer_data'],
    ['s3.GetBucketAcl', 'observation'],
    ['s3.PutBucketPolicy', 'access'],
    ['s3.PutObjectLegalHold', 'customer_data'],
    ['quantum-ledger.ListThings', 'observation'],
    ['quantum-ledger.Entangle', 'infrastructure'],
  ])('puts %s into the class %s', (action, name) => {
    expect(findAction(CLOUDTRAIL, action)?.class).toBe(name);
  });

  it('lets what stops the recording stand out', () => {
    expect(findAction(CLOUDTRAIL, 'cloudtrail.DeleteTrail')?.breakGlass).toBe(true);
    expect(findAction(CLOUDTRAIL, 'cloudtrail.StartLogging')?.breakGlass).toBe(false);
  });
});

describe('both', () => {
  it.each(['starter', 'cloudtrail'] as const)('come through redaction unchanged when %s is published', async (name) => {
    const text = await readShippedCatalogue(name);
    const json = parseCatalogue(text).file as JsonObject;
    expect(makeRedactor().redactValue([json, text, canonicalJson(json)]).replacements).toEqual([]);
  });
});

describe("the log's own actions", () => {
  it('all have titles, and no title is without an action', async () => {
    const used = new Set<string>();
    for (const folder of ['src', 'proofs']) {
      const source = path.resolve(import.meta.dirname, '../..', folder);
      for (const file of await readdir(source, { recursive: true })) {
        if (!/\.tsx?$/.test(file) || file.endsWith('own-actions.ts')) continue;
        const text = await readFile(path.join(source, file), 'utf8');
        // The type of a message is no action.
        for (const [, action = ''] of text.matchAll(/(?<!type: )'(countersign(?:\.[a-z_-]+)+)'/g)) used.add(action);
      }
    }
    expect([...used].sort()).toEqual([...titledOwnActions()].sort());
  });
});
