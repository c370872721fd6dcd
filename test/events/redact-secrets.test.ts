/** Passwords, tokens and keys: by the name of a member, by what stands before them in a text, and by their own form. */
import { describe, expect, it } from 'vitest';
import { makeRedactor } from '../../src/events/redact/redact.ts';

const redactor = makeRedactor();
const redacted = (text: string): string => redactor.redactText(text);

/** Made up, and put together so that no scanner takes this file for a leak. */
const fake = (...parts: readonly string[]): string => parts.join('');
const JWT = fake('eyJhbGciOiJIUzI1NiJ9', '.', 'eyJzdWIiOiJ1Xzg4NDIifQ', '.', 'c2lnbmF0dXJlLW9mLW5vdGhpbmc');
const AWS_ID = fake('AKIA', 'IOSFODNN7EXAMPLE');
const AWS_SECRET = fake('wJalrXUtnFEMI/K7MDENG', '/bPxRfiCYEXAMPLEKEY');

describe('members by their names', () => {
  it.each([
    ['password', 'password'],
    ['Password', 'password'],
    ['user_password', 'password'],
    ['masterUserPassword', 'password'],
    ['password_confirmation', 'password'],
    ['password2', 'password'],
    ['user[password]', 'password'],
    ['pass-word', 'password'],
    ['passwd', 'password'],
    ['passphrase', 'password'],
    ['db_pwd', 'password'],
    ['smtpPass', 'password'],
    ['passwordHash', 'password'],
    ['secret', 'secret'],
    ['client_secret', 'secret'],
    ['clientSecret', 'secret'],
    ['SecretString', 'secret'],
    ['secretAccessKey', 'secret'],
    ['aws_secret_access_key', 'secret'],
    ['api_key', 'api-key'],
    ['apiKey', 'api-key'],
    ['X-Api-Key', 'api-key'],
    ['signing_key', 'api-key'],
    ['accountKey', 'api-key'],
    ['private_key', 'private-key'],
    ['privateKeyPem', 'private-key'],
    ['token', 'token'],
    ['access_token', 'token'],
    ['refreshToken', 'token'],
    ['id_token', 'token'],
    ['sessionToken', 'token'],
    ['X-Amz-Security-Token', 'token'],
    ['csrf_token', 'token'],
    ['cookie', 'cookie'],
    ['Set-Cookie', 'cookie'],
    ['otp', 'one-time-code'],
    ['mfa_code', 'one-time-code'],
    ['recovery_codes', 'one-time-code'],
  ])('replaces the value of %s', (name, rule) => {
    expect(redactor.redactValue({ context: { [name]: 'hunter2-and-more' } })).toEqual({
      value: { context: { [name]: `[redacted:${rule}]` } },
      replacements: [{ pointer: `/context/${name.replaceAll('/', '~1')}`, rule }],
    });
  });

  it.each([
    ['passwordResetRequired', false],
    ['password_changed_at', '2026-01-08T14:32:07Z'],
    ['password_policy', 'strict'],
    ['has_password', true],
    ['password', null],
    ['password', ''],
    ['password', '********'],
    ['password', 'HIDDEN_DUE_TO_SECURITY_REASONS'],
    ['password', '[redacted:password]'],
    ['password', '<redacted>'],
    ['bypass', 'manager-override'],
    ['compass', 'north'],
    ['nextToken', 'AAAAAAAAAAAAAAAAAAAAAAAA'],
    ['next_page_token', 'AAAAAAAAAAAAAAAAAAAAAAAA'],
    ['clientRequestToken', 'D796F4C4-6073-485E-B59D-DEA24780EE7A'],
    ['clientToken', 'C75407B7-621F-4F77-8BF7-635FD3F04F74'],
    ['token_type', 'Bearer'],
    ['token_id', 'tok_1234567890'],
    ['max_tokens', 4096],
    ['httpTokens', 'required'],
    ['secret_id', 'arn:aws:secretsmanager:us-east-1:123456789012:secret:prod-db-AbCdEf'],
    ['secretArn', 'arn:aws:secretsmanager:us-east-1:123456789012:secret:prod-db-AbCdEf'],
    ['secret', 'arn:aws:secretsmanager:us-east-1:123456789012:secret:prod-db-AbCdEf'],
    ['secretName', 'prod-db'],
    ['access_key_id', AWS_ID],
    ['accessKey', AWS_ID],
    ['encryptionKey', 'arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab'],
    ['masterKey', '1234abcd-12ab-34cd-56ef-1234567890ab'],
    ['public_key', 'MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE='],
    ['key', 'StratusRedTeam'],
    ['key_id', 'key-7'],
    ['session', 's_1f9c'],
    ['session_id', 's_1f9c'],
    ['method', 'password'],
    ['author', 'bob'],
    ['authorization', 'allow'],
    ['authorization', 'granted by policy'],
    ['authorization', 'granted manually'],
    ['cookies_enabled', 'yes'],
    ['footprint', 'small'],
  ])('leaves %s = %j alone', (name, value) => {
    const event = { context: { [name]: value } };
    expect(redactor.redactValue(event)).toEqual({ value: event, replacements: [] });
  });

  it('replaces numbers under names whose values may be numbers', () => {
    expect(redactor.redactValue({ password: 123456, passcode: 1234, token: 5 }).value).toEqual({
      password: '[redacted:password]',
      passcode: '[redacted:password]',
      token: 5,
    });
  });

  it('replaces everything below a password, and only values below other secrets', () => {
    expect(
      redactor.redactValue({
        password: { before: 'a1', nested: ['b2', { x: 'c3' }], set: true },
        secret: { name: 'prod-db', value: 's3cret', rotation: 30 },
        accessKey: { accessKeyId: AWS_ID, status: 'Active' },
      }).value,
    ).toEqual({
      password: {
        before: '[redacted:password]',
        nested: ['[redacted:password]', { x: '[redacted:password]' }],
        set: true,
      },
      secret: { name: 'prod-db', value: '[redacted:secret]', rotation: 30 },
      accessKey: { accessKeyId: AWS_ID, status: 'Active' },
    });
  });

  it('knows what a change is about by its path', () => {
    expect(
      redactor.redactValue({
        changes: [
          { path: '/password', before: 'old-one', after: 'new-one' },
          { path: '/users/0/api_key', after: 'k-1234567' },
          { path: '/token/value', after: 'abcdef123' },
          { path: '/roles', before: ['member'], after: ['admin'] },
        ],
      }).value,
    ).toEqual({
      changes: [
        { path: '/password', before: '[redacted:password]', after: '[redacted:password]' },
        { path: '/users/0/api_key', after: '[redacted:api-key]' },
        { path: '/token/value', after: '[redacted:token]' },
        { path: '/roles', before: ['member'], after: ['admin'] },
      ],
    });
  });

  it('knows what a value is by the name beside it', () => {
    expect(
      redactor.redactValue([
        { name: 'DB_PASSWORD', value: 'hunter2' },
        { key: 'api-key', value: 'k-1234567' },
        { name: 'Authorization', value: 'Custom abcdefgh12345678' },
        { name: 'LOG_LEVEL', value: 'debug' },
        { name: '/prod/db/password', type: 'SecureString', value: 'hunter2' },
      ]).value,
    ).toEqual([
      { name: 'DB_PASSWORD', value: '[redacted:password]' },
      { key: 'api-key', value: '[redacted:api-key]' },
      { name: 'Authorization', value: '[redacted:authorization]' },
      { name: 'LOG_LEVEL', value: 'debug' },
      { name: '/prod/db/password', type: 'SecureString', value: '[redacted:password]' },
    ]);
  });

  it('judges a text again by the name of its member once a marker has made it longer', () => {
    const once = redactor.redactValue({ Authorization: 'postgres://u:p@h/d' });
    expect(once.value).toEqual({ Authorization: '[redacted:authorization]' });
    expect(redactor.redactValue(once.value).replacements).toEqual([]);
  });

  it('finds a member that is called __proto__ and leaves it a member', () => {
    const value = JSON.parse('{"__proto__": {"password": "hunter2"}}');
    expect(JSON.stringify(redactor.redactValue(value).value)).toBe('{"__proto__":{"password":"[redacted:password]"}}');
  });
});

describe('secrets inside a text', () => {
  it.each([
    ['password=hunter2', 'password=[redacted:password]'],
    ['password: hunter2', 'password: [redacted:password]'],
    ['PASSWORD = "hunter 2"', 'PASSWORD = "[redacted:password]"'],
    ['passwd:hunter2', 'passwd:[redacted:password]'],
    ["pwd='hunter2'", "pwd='[redacted:password]'"],
    ['db_password=hunter2 user=bob', 'db_password=[redacted:password] user=bob'],
    ['user=bob&password=hunter2&x=1', 'user=bob&password=[redacted:password]&x=1'],
    ['Server=x;Password=p@ss;Database=y', 'Server=x;Password=[redacted:password];Database=y'],
    ['{"password":"hunter2","a":1}', '{"password":"[redacted:password]","a":1}'],
    ['{"password": "has space", "a": 1}', '{"password": "[redacted:password]", "a": 1}'],
    ["{:password=>'hunter2'}", "{:password=>'[redacted:password]'}"],
    ['<Password>hunter2</Password>', '<Password>[redacted:secret]</Password>'],
    ['mysql --password hunter2 -h db', 'mysql --password [redacted:password] -h db'],
    ['mysql --password=hunter2', 'mysql --password=[redacted:password]'],
    ['password%3Dhunter2', 'password=[redacted:password]'],
    ['pass\u200bword=hunter2', 'password=[redacted:password]'],
    ['api_key=abcd1234', 'api_key=[redacted:secret]'],
    ['x-api-key: abcd1234efgh', 'x-api-key: [redacted:secret]'],
    ['client_secret=s3cr3t', 'client_secret=[redacted:secret]'],
    ['?token=abcdef&x=1', '?token=[redacted:token]&x=1'],
    ['access_token=abcdef123456', 'access_token=[redacted:token]'],
    ['postgres://app:hunter2@db.internal/x', 'postgres://app:[redacted:url-credentials]@db.internal/x'],
    ['https://:t0ken@example.com/', 'https://:[redacted:url-credentials]@example.com/'],
    ['Authorization: Bearer abc', 'Authorization: Bearer [redacted:authorization]'],
    ['sent Bearer mytokenvalue along', 'sent Bearer [redacted:token] along'],
    ['authorization=Basic dXNlcjpwYXNz', 'authorization=Basic [redacted:authorization]'],
    [
      'Authorization: Digest username="bob", response="0a1b2c"\nHost: x',
      'Authorization: Digest [redacted:authorization]\nHost: x',
    ],
    ['sent Bearer abcdef123456 along', 'sent Bearer [redacted:token] along'],
    ['sent Basic dXNlcjpwYXNzd29yZA== along', 'sent Basic [redacted:authorization] along'],
    [`jwt ${JWT} end`, 'jwt [redacted:jwt] end'],
    [`x%20${JWT}`, 'x [redacted:jwt]'],
    ['Cookie: sid=abc123; theme=dark', 'Cookie: [redacted:cookie]'],
    ['Set-Cookie: sid=abc123; HttpOnly\r\nX: y', 'Set-Cookie: [redacted:cookie]\r\nX: y'],
    ['/x;JSESSIONID=abc123', '/x;JSESSIONID=[redacted:cookie]'],
    [`id ${AWS_ID} secret ${AWS_SECRET} end`, `id ${AWS_ID} secret [redacted:cloud-key] end`],
    [`${AWS_ID}:${AWS_SECRET}`, `${AWS_ID}:[redacted:cloud-key]`],
    [`aws_secret_access_key = ${AWS_SECRET}`, 'aws_secret_access_key = [redacted:secret]'],
    [fake('AccountKey=', 'a'.repeat(40), 'B9+/=='), 'AccountKey=[redacted:cloud-key]'],
    [
      `https://b.s3.amazonaws.com/x?X-Amz-Signature=${'a1'.repeat(32)}`,
      'https://b.s3.amazonaws.com/x?X-Amz-Signature=[redacted:cloud-key]',
    ],
  ])('turns %j into %j', (text, expected) => {
    expect(redacted(text)).toBe(expected);
  });

  it.each([
    ['GitHub', fake('ghp_', 'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8')],
    ['GitHub, fine-grained', fake('github_pat_', '11ABCDEFG0123456789_abcdefghij')],
    ['GitLab', fake('glpat-', 'aBcDeFgHiJkLmNoPqRsT')],
    ['Slack', fake('xoxb-', '123456789012-abcdefghijkl')],
    ['a Slack webhook', fake('https://hooks.slack', '.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX')],
    ['Google', fake('AIza', 'SyA1234567890abcdefghijklmnopqrstuv')],
    ['Google OAuth', fake('ya29.', 'a0AfB_byC-1234567890')],
    ['Stripe', fake('sk_live_', '4eC39HqLyjWDarjtT1zdp7dc')],
    ['Stripe, restricted', fake('rk_test_', '4eC39HqLyjWDarjtT1zdp7dc')],
    ['a webhook', fake('whsec_', 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')],
    ['npm', fake('npm_', 'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8')],
    ['this log', fake('cs_producer_', 'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8')],
    ['Vault', fake('hvs.', 'CAESIJ1234567890abcdefghij')],
  ])('replaces a token of %s', (_issuer, token) => {
    const out = redacted(`the token ${token} leaked`);
    expect(out).toMatch(/^the token (?:https:\/\/)?\[redacted:cloud-key\] leaked$/);
  });

  it('replaces a private key of any kind, also one that was cut off', () => {
    const body = 'MIIEpAIBAAKCAQEA7\nabc+/=';
    for (const kind of ['', 'RSA ', 'EC ', 'OPENSSH ', 'ENCRYPTED ']) {
      const pem = fake(
        '-----BEGIN ',
        kind,
        'PRIVATE',
        ' KEY-----\n',
        body,
        '\n-----END ',
        kind,
        'PRIVATE',
        ' KEY-----',
      );
      expect(redacted(`key:\n${pem}\nafter`)).toBe('key:\n[redacted:private-key]\nafter');
      expect(redacted(pem.replaceAll('\n', '\\n'))).toBe('[redacted:private-key]');
    }
    expect(redacted(fake('-----BEGIN PRIVATE', ` KEY-----\n${body}`))).toBe('[redacted:private-key]');
    expect(redacted(fake('-----BEGIN PGP PRIVATE', ` KEY BLOCK-----\n${body}`))).toBe('[redacted:private-key]');
    expect(redacted(fake('PRIVATE+KEY+', 'example.com/log+ab12cd34+AQID'))).toBe('[redacted:private-key]');
  });

  it.each([
    '-----BEGIN CERTIFICATE-----\nMIIE3zCCAsegAwIBAgIJAOZLUn\n-----END CERTIFICATE-----',
    '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----',
    'password reset requested',
    'password: required',
    'the password is too short',
    'Bearer authentication is required',
    'Authorization: token expired',
    'authorization: denied by policy',
    'the bearer presented a valid ticket',
    'basic subscription',
    'basic authentication failed',
    'token: expired',
    'invalid token: too short',
    'next_token=AAAAAAAAAAAA',
    'secret: a word of prose',
    'arn:aws:secretsmanager:us-east-1:123456789012:secret:prod-db-AbCdEf',
    'arn:aws:iam::123456789012:user/bob',
    AWS_ID,
    'PWD=/home/bob',
    'pass=12 fail=3',
    'eyJ is how one begins',
    'https://example.com:8080/x@y',
    'mailto:bob@example.com',
    'cookie: policy accepted',
    'aws-sdk-go/1.44.157 (+https://www.terraform.io)',
    'CSC 101 is a course',
    'Asia/Tokyo',
  ])('leaves %j alone', (text) => {
    expect(redacted(text)).toBe(text);
  });

  it('replaces a text in which the secret is encoded by its decoded form, and says by which rule', () => {
    expect(redactor.redactValue({ url: 'https://x/?q=password%3Dhunter2%26a%3D1' })).toEqual({
      value: { url: 'https://x/?q=password=[redacted:password]&a=1' },
      replacements: [{ pointer: '/url', rule: 'password' }],
    });
  });
});
