// oidc-provider on a free port of 127.0.0.1, everything in memory: node server.mjs <clients as JSON, RFC 7591>
// Says "listening on <port>", and ends with its standard input.
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

const clients = JSON.parse(process.argv[2]);

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients,
    scopes: ['openid', 'offline_access', 'read', 'write'],
    // Its own pages: any login is somebody, and each scope is asked for.
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
    },
    // The default, but for confidential clients: one of them is given a new refresh token each time, too.
    rotateRefreshToken: (ctx) => ctx.oidc.client.clientAuthMethod !== 'client_secret_post',
    ttl: {
      // One client's tokens end while a test waits.
      AccessToken: (ctx, token, client) => (client.clientId === 'short' ? 2 : 600),
      ClientCredentials: 600,
    },
  });

  // An API of its own: the endpoint "userinfo" is for people only.
  const api = async (request, response) => {
    const value = (request.headers.authorization ?? '').replace(/^Bearer /, '');
    const token = (await provider.AccessToken.find(value)) ?? (await provider.ClientCredentials.find(value));
    const answer = token?.isValid ? { client: token.clientId, who: token.accountId ?? null } : { error: 'invalid_token' };
    response.writeHead(token?.isValid ? 200 : 401, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(answer));
  };
  const handle = provider.callback();
  server.on('request', (request, response) => (request.url === '/api/me' ? api : handle)(request, response));
  console.log(`listening on ${port}`);
});

process.stdin.resume().on('end', () => process.exit());
