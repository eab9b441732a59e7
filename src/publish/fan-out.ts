/**
 * Which node publishes to which sockets. `local`: each node publishes to its own sockets. `cluster`: the leader publishes to
 * the sockets of all nodes, through the adapter.
 */
export type FanOut = 'local' | 'cluster'
