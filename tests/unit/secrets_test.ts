import assert from "node:assert/strict";
import fc from "fast-check";
import { quote } from "../../mod/origins.ts";
import { findSecrets, hideSecrets, maskSecrets, secretsOf } from "../../mod/secrets.ts";

Deno.test("maskSecrets() hides the values that are for nobody's eyes, and nothing else", () => {
  const cases: [string, string][] = [
    ["", ""],
    ["user=me,password=top,vers=3", "user=me,password=***,vers=3"],
    ["pass=a=b", "pass=***"],
    ["PASSWORD2=x,secret=k,secretfile=f", "PASSWORD2=***,secret=***,secretfile=***"],
    ["credentials=/etc/cred,cred=/root/c,ro", "credentials=***,cred=***,ro"],
    ['password="a,b",ro', "password=***,ro"],
    ["password=a,,b,ro", "password=***,ro"],
    ["password=my pass word,ro", "password=***,ro"],
    [" pass = a ,ro", " pass =***,ro"],
    ['x="open,password=top', 'x="open,password=***'],
    ["bypass=1,pass,subvol=pass,password=", "bypass=1,pass,subvol=pass,password="],
    ["MNT_PASSWORD=top", "MNT_PASSWORD=***"],
  ];
  for (const [data, shown] of cases) assert.equal(maskSecrets(data), shown);
});

Deno.test("hideSecrets() hides what looks like a secret in any sentence, and nothing else", () => {
  const cases: [string, string][] = [
    [
      'Cannot mount "//me:top@box/share" on "/a" as cifs',
      'Cannot mount "//me:***@box/share" on "/a" as cifs',
    ],
    ["see https://me:top@host:8000/x for it", "see https://me:***@host:8000/x for it"],
    ["//me:t/o@p@box/share", "//me:***@box/share"],
    ["MNT_SOURCE=me:top@box:/export is bad", "MNT_SOURCE=me:***@box:/export is bad"],
    [
      'kernel: EXT4-fs: Unrecognized mount option "password=top" or missing value',
      'kernel: EXT4-fs: Unrecognized mount option "password=***" or missing value',
    ],
    ["libceph: bad option at 'secret=AQ==,x=1'", "libceph: bad option at 'secret=***,x=1'"],
    ['takes password="a b" | next', "takes password=*** | next"],
    ["MNT_PASSWORD=top (environment)", "MNT_PASSWORD=*** (environment)"],
    ["as ceph with secret=***: ENODEV", "as ceph with secret=***: ENODEV"],
    // No secrets.
    ['Cannot mount "box:/export/@1" as nfs4', 'Cannot mount "box:/export/@1" as nfs4'],
    ["subvol=/@home,compress=zstd:3", "subvol=/@home,compress=zstd:3"],
    ["me@box:/export at 12:30:01", "me@box:/export at 12:30:01"],
    ["UUID=ab:cd is on /dev/sda1, bypass=1", "UUID=ab:cd is on /dev/sda1, bypass=1"],
    ["a pass was said = 3 times", "a pass was said = 3 times"],
  ];
  for (const [text, shown] of cases) assert.equal(hideSecrets(text), shown);
});

/** What people use for passwords, with all that a value can hold. */
const SECRET = fc.string({ minLength: 4, maxLength: 20, unit: "grapheme" })
  .filter((text) => !/[\0"]/.test(text) && text.trim() === text && !text.includes("***"))
  .map((text) => `Zx${text}xZ`);

Deno.test("a secret of the configuration is hidden wherever it turns up, quoted or not", () => {
  const values: ((secret: string) => string)[] = [
    (secret) => `//me:${secret}@box/share`,
    (secret) => `https://me:${secret}@box/share@1`,
    (secret) => `user=me,password=${secret.replaceAll(",", ",,")},vers=3`,
    (secret) => `ro,pass="${secret}"`,
    (secret) => `secret=${secret.replaceAll(",", ",,")}`,
  ];
  fc.assert(
    fc.property(SECRET, fc.constantFrom(...values), fc.string(), (secret, value, more) => {
      const known = findSecrets([more, value(secret)]);
      for (const text of [secret, `a ${secret} b`, JSON.stringify(`"${secret}"`), value(secret)]) {
        const shown = hideSecrets(text, known);
        assert.ok(!shown.includes(secret), `${shown} of ${JSON.stringify(known)}`);
        assert.ok(!shown.includes(JSON.stringify(secret).slice(1, -1)), shown);
      }
      assert.ok(!hideSecrets(quote(secret), known).includes("xZ"), quote(secret));
    }),
    { numRuns: 1000 },
  );
});

Deno.test("a variable that is called as a password is one, and no other variable", () => {
  assert.deepEqual(secretsOf([["MNT_PASSWORD", "top secret"]], []), ["top secret"]);
  assert.deepEqual(secretsOf([["MNT_TARGET", "/top/secret"]], []), []);
});

Deno.test("a text of any length and kind is masked in linear time", () => {
  const odd = ["//a:", "=a:", ",pass=", '"', "pass=,,", "@", "a@b:", "secret", "(x"];
  for (const piece of odd) {
    const text = piece.repeat(200_000 / piece.length);
    const startMs = performance.now();
    hideSecrets(text, findSecrets([text.slice(0, 4000)]));
    maskSecrets(text);
    assert.ok(performance.now() - startMs < 2000, `${piece}: ${performance.now() - startMs} ms`);
  }
});
