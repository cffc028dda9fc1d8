import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from './run-program.ts';

const DAYS = '30';
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** Files in PEM. The authority signs the server's and the client's certificate and exists nowhere else. */
export type Certificates = {
  readonly caFile: string;
  readonly serverCertificateFile: string;
  readonly serverKeyFile: string;
  readonly clientCertificateFile: string;
  readonly clientKeyFile: string;
};

/** Makes an authority and certificates for a server on 127.0.0.1 and one client of it. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  await mkdir(folder, { recursive: true });
  const file = (name: string) => join(folder, name);
  const authority = ['-keyout', file('ca.key'), '-out', file('ca.crt'), '-subj', '/CN=fraud-detection tests'];
  await runProgram('openssl', ['req', '-x509', ...KEY, '-days', DAYS, ...authority]);
  await sign(folder, 'server', 'subjectAltName=IP:127.0.0.1,DNS:localhost');
  await sign(folder, 'client', 'extendedKeyUsage=clientAuth');
  return {
    caFile: file('ca.crt'),
    serverCertificateFile: file('server.crt'),
    serverKeyFile: file('server.key'),
    clientCertificateFile: file('client.crt'),
    clientKeyFile: file('client.key'),
  };
}

/** One file with a key and its certificate, as Kafka takes a key store. */
export async function writeKeyStore(certificates: Certificates, path: string): Promise<void> {
  const key = await readFile(certificates.serverKeyFile, 'utf8');
  await writeFile(path, key + (await readFile(certificates.serverCertificateFile, 'utf8')));
}

async function sign(folder: string, name: 'server' | 'client', extension: string): Promise<void> {
  const file = (ending: string) => join(folder, `${name}.${ending}`);
  await writeFile(file('extensions'), extension);
  const subject = ['-subj', `/CN=${name}`];
  await runProgram('openssl', ['req', ...KEY, '-keyout', file('key'), '-out', file('csr'), ...subject]);
  const authority = ['-CA', join(folder, 'ca.crt'), '-CAkey', join(folder, 'ca.key'), '-CAcreateserial'];
  const request = ['-req', '-in', file('csr'), '-days', DAYS, '-extfile', file('extensions')];
  await runProgram('openssl', ['x509', ...request, ...authority, '-out', file('crt')]);
}
