/** The examples of Sails' pages "Realtime" and "On the server", letter by letter. */

export const userListPage = `<!-- Simply include the sails.io.js script, and a client socket will be created for you -->
<script type"text/javascript" src="/js/dependencies/sails.io.js"></script>
<script type"text/javascript">
// The automatically-created socket is exposed as io.socket.
// Use .on() to subscribe to the 'user' event on the client.
// This event is sent by the Sails "create", "update",
// "delete", "add" and "remove" blueprints to any socket that
// is subscribed to one or more User model instances.
io.socket.on('user', function gotHelloMessage (data) {
  console.log('User alert!', data);
});
// Using .get('/user') will retrieve a list of current User models,
// subscribe this socket to those models, AND subscribe this socket
// to notifications about new User models when they are created.
io.socket.get('/user', function gotResponse(body, response) {
  console.log('Current users: ', body);
})
</script>
`

export const sayHelloPage = `<!-- Simply include the sails.io.js script, and a client socket will be created for you -->
<script type"text/javascript" src="/js/dependencies/sails.io.js"></script>
<script type"text/javascript">
// The automatically-created socket is exposed as io.socket.
// Use .on() to subscribe to the 'hello' event on the client
io.socket.on('hello', function gotHelloMessage (data) {
  console.log('Socket \`' + data.id + '\` joined the party!');
});
// Use .get() to contact the server
io.socket.get('/say/hello', function gotResponse(body, response) {
  console.log('Server responded with status code ' + response.statusCode + ' and data: ', body);
})
</script>
`

export const sayController = `// In /api/controllers/SayController.js
module.exports = {
  hello: function(req, res) {
    // Make sure this is a socket request (not traditional HTTP)
    if (!req.isSocket) {return res.badRequest();}
    // Have the socket which made the request join the "funSockets" room
    sails.sockets.join(req, 'funSockets');
    // Broadcast a "hello" message to all the fun sockets.
    // This message will be sent to all sockets in the "funSockets" room,
    // but will be ignored by any client sockets that are not listening-- i.e. that didn't call \`io.socket.on('hello', ...)\`
    sails.sockets.broadcast('funSockets', 'hello', req);
    // Respond to the request with an a-ok message
    return res.ok();
  }
}
`

export const createUser = `// Create the new user
User.create({
  name: 'johnny five'
}).exec(function(err, newUser) {
  if (err) {
    // Handle errors here!
    return;
  }
  // Tell any socket watching the User model class
  // that a new User has been created!
  User.publishCreate(newUser);
});
`

export const joinFunSockets = `sails.sockets.join(someSocket, "funSockets");
`

export const helloFunSockets = `sails.sockets.broadcast("funSockets", "hello", "Hello to all my fun sockets!");
`

/** The script of a page, without what loads the client. */
export const scriptOf = (page: string) => /<script type"text\/javascript">([\s\S]*)<\/script>/.exec(page)?.[1] ?? ''

/** Runs code with these names in scope. */
export function run(code: string, scope: Record<string, unknown>): void {
  new Function(...Object.keys(scope), code)(...Object.values(scope))
}
