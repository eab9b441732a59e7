// `require('waterline-changefeed/client')`. Node loads the ES module synchronously.
module.exports = require('./client.js')
