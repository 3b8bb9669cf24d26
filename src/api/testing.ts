/** A bus for a test: starts a NATS server, or creates a bus file, and removes everything at the end. */
export {createFile, type TestFile} from '../lib/transport/testing/bus-file.ts'
export {startServer, type TestServer, type TestServerOptions} from '../lib/transport/testing/nats-server.ts'
