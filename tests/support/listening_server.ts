/** rest-server's part where it has to listen: on any port, until a signal ends it. */
const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
console.log("ready");
for await (const connection of listener) connection.close();
