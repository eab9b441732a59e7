import { count } from '/page/format.js'

/** The dialog that pauses a model, or resumes a paused one. */
export const pausing = ({ identity, pausedAt, withheld }) =>
  pausedAt
    ? {
        title: `Resume ${identity}`,
        text: `Publishes its changes again. ${count(withheld, 'change')} ${withheld === 1 ? 'was' : 'were'} passed over, so its clients receive refetch.`,
        step: { label: `Resume ${identity}`, run: send => finish(send('resume', { models: [identity] })) },
      }
    : {
        title: `Pause ${identity}`,
        text: 'No client on any node receives its changes until it is resumed. Changes are counted and kept in the change log. Triggers are not changed.',
        step: { label: `Pause ${identity}`, run: send => finish(send('pause', { models: [identity] })) },
      }

/** The dialog has no further step. */
const finish = async answer => void (await answer)
