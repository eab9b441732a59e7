import type { Server } from 'socket.io'
import type { Model, Models } from '../../models/model.ts'
import { withAttributes } from '../../models/visibility.ts'

/**
 * The models as the clients of a server may see them, by the settings of `createRealtime`. They also hold for the messages of a
 * feed that publishes to the same server by its option `io`, and knows its own settings only.
 */
const known = new WeakMap<Server, Models>()

export const setClientModels = (io: Server, models: Models): void => void known.set(io, models)

/** The models of a feed, as the clients of the server may see them now. */
export function clientModels(io: Server, own: Models): () => Models {
  let [ofServer, restricted]: [Models | undefined, Models] = [undefined, own]
  return () => {
    const present = known.get(io)
    if (present !== ofServer) restricted = present ? restrict(own, present) : own
    ofServer = present
    return restricted
  }
}

/** What both show. */
function restrict(own: Models, ofServer: Models): Models {
  return new Map([...own].map(([identity, model]) => [identity, restrictModel(model, ofServer.get(identity))]))
}

function restrictModel(model: Model, ofServer: Model | undefined): Model {
  if (!ofServer || ofServer === model) return model
  const isVisible = (name: string) => ofServer.attributes.get(name)?.visible === true
  const restricted = withAttributes(model, ({ name, visible }) => ({ visible: visible && isVisible(name) }))
  return { ...restricted, readers: ofServer.readers }
}
