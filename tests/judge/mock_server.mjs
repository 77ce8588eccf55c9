// Starts the foreign server and prints {"port": …, "admin_port": …}.
//
//     node mock_server.mjs FOLDER     FOLDER holds node_modules
//
// Its class is used, never its command line, which would edit this machine's hosts and firewall.
import { pathToFileURL } from "node:url";
import { resolve } from "node:path";

const library = resolve(process.argv[2], "node_modules/telegram-api-mock-server/dist/index.js");
const { TelegramApiMockServer } = await import(pathToFileURL(library));
const server = new TelegramApiMockServer({
  host: "127.0.0.1",
  port: 0,
  mode: "mock",
  admin: { host: "127.0.0.1", port: 0 },
});
await server.start();
console.log(JSON.stringify({ port: server.getAddress().port, admin_port: server.getAdminAddress().port }));
