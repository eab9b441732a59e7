import { count } from '/page/format.js'

/** What the dialog shows to pause a model, or to resume one that is paused. */
export const pausing = ({ identity, pausedAt, withheld }) =>
  pausedAt
    ? {
        title: `Resume ${identity}`,
        text: `Publishes its changes again. ${count(withheld, 'change')} ${withheld === 1 ? 'was' : 'were'} passed over, so its clients read again what they show.`,
        step: { label: `Resume ${identity}`, run: send => finish(send('resume', { models: [identity] })) },
      }
    : {
        title: `Pause ${identity}`,
        text: 'No client receives its changes until it is resumed, on any node. They are counted and stay in the change log; triggers are not touched.',
        step: { label: `Pause ${identity}`, run: send => finish(send('pause', { models: [identity] })) },
      }

/** There is no further step. */
const finish = async answer => void (await answer)
